// SPDX-License-Identifier: Apache-2.0
// Figures as Prometheus' text. That a whole scrape is in order is shown by promtool in the lab.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "agent/model/snapshot_edit.h"
#include "agent/serve/datapath_metrics.h"
#include "agent/serve/sync_metrics.h"

namespace shunt {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

service make_service(const char* name, address_family family, service_treatment treatment = SERVED,
                     std::uint32_t slots = 7) {
    service value{};
    std::strcpy(value.service_namespace, "shop");
    std::strcpy(value.name, name);
    value.family = family;
    value.protocol = TCP;
    value.treatment = treatment;
    value.port = 80;
    value.slice = SERVICE_SLICE(0, slots);
    return value;
}

std::string text_of(const DatapathFacts& facts) {
    MetricPage page;
    add_datapath_metrics(page, facts);
    return page.text();
}

TEST(DatapathMetrics, EventsAreNamedByKindAndReason) {
    DatapathFacts facts;
    facts.events[FORWARDED_LOCAL_REQUEST] = 12;
    facts.events[FLOW_EVICTED] = 3;
    facts.events[HANDED_TO_TC] = 4;
    facts.events[PASSED_NO_FLOW] = 5;
    facts.events[ANSWERED_RESET] = 6;
    facts.events[DROP_NO_LOCAL_ENDPOINT] = 7;
    facts.events[DROP_SNAT_PORTS_EXHAUSTED] = 1'234'567'890;
    const std::string text = text_of(facts);
    EXPECT_THAT(text, HasSubstr("# TYPE shunt_packets_dropped_total counter\n"));
    EXPECT_THAT(text, HasSubstr("shunt_packets_forwarded_total{path=\"local_request\"} 12\n"));
    EXPECT_THAT(text, HasSubstr("shunt_flow_events_total{event=\"evicted\"} 3\n"));
    EXPECT_THAT(text, HasSubstr("shunt_flow_events_total{event=\"handed_to_tc\"} 4\n"));
    EXPECT_THAT(text, HasSubstr("shunt_packets_passed_total{reason=\"no_flow\"} 5\n"));
    EXPECT_THAT(text, HasSubstr("shunt_packets_answered_total{answer=\"reset\"} 6\n"));
    EXPECT_THAT(text, HasSubstr("shunt_packets_dropped_total{reason=\"no_local_endpoint\"} 7\n"));
    EXPECT_THAT(text, HasSubstr("shunt_packets_dropped_total{reason=\"snat_ports_exhausted\"} 1234567890\n"));
    EXPECT_THAT(text, HasSubstr("shunt_packets_dropped_total{reason=\"ttl_exceeded\"} 0\n"));
}

TEST(DatapathMetrics, AServicePortIsOneSeriesForBothFamilies) {
    DatapathFacts facts;
    facts.services = {{3, make_service("web", IPV4)},
                      {4, make_service("web", IPV6, SERVED, 0)},
                      {5, make_service("left", IPV4, LEFT_FRONTEND_TAKEN)}};
    facts.service_counts = {{3, {.flows_opened = 10, .drops = 1, .rescued = 4, .skipped = 0}},
                            {4, {.flows_opened = 5, .drops = 2, .rescued = 1, .skipped = 8}}};
    facts.use.by_service = {{3, 7}, {4, 2}};
    facts.use.fullest_backend = {{3, 6}, {4, 90}};
    facts.use.flows = {{{IPV4, FLOW_HALF_OPEN}, 7}, {{IPV6, FLOW_ESTABLISHED}, 2}};
    facts.max_flows = 16384;
    const std::string text = text_of(facts);
    const std::string labels = R"({namespace="shop",service="web",port="80",protocol="TCP"})";
    EXPECT_THAT(text, HasSubstr("shunt_service_flows" + labels + " 9\n"));
    EXPECT_THAT(text, HasSubstr("shunt_service_flows_opened_total" + labels + " 15\n"));
    EXPECT_THAT(text, HasSubstr("shunt_service_drops_total" + labels + " 3\n"));
    EXPECT_THAT(text, HasSubstr("shunt_service_rescued_total" + labels + " 5\n"));
    EXPECT_THAT(text, HasSubstr("shunt_service_skipped_total" + labels + " 8\n"));
    EXPECT_THAT(text, HasSubstr("shunt_service_snat_ports_in_use" + labels + " 90\n"));
    EXPECT_THAT(text, HasSubstr("shunt_snat_ports_in_use 90\n"));
    EXPECT_THAT(text, HasSubstr("shunt_services{treatment=\"served\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("shunt_services{treatment=\"left_to_stack\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("shunt_services_without_endpoints 1\n"));
    EXPECT_THAT(text, HasSubstr("shunt_flows{family=\"IPv4\",state=\"half-open\"} 7\n"));
    EXPECT_THAT(text, HasSubstr("shunt_flows_limit{family=\"IPv6\"} 16384\n"));
    EXPECT_THAT(text, Not(HasSubstr("service=\"left\"")));
}

TEST(DatapathMetrics, SeriesAreBoundedAndTheFirstIdsKeepTheirs) {
    DatapathFacts facts;
    // The later, the smaller the name.
    for (std::uint32_t id = 1; id <= kServicesShown + 5; id++) {
        facts.services[id] = make_service(("s" + std::to_string(9999 - id)).c_str(), IPV4);
    }
    const std::string text = text_of(facts);
    std::size_t series = 0;
    for (std::size_t at = 0; (at = text.find("\nshunt_service_flows{", at)) != std::string::npos; at++) {
        series++;
    }
    EXPECT_EQ(series, kServicesShown);
    EXPECT_THAT(text, HasSubstr("shunt_services_without_series 5\n"));
    EXPECT_THAT(text, HasSubstr("service=\"s9998\""));
    EXPECT_THAT(text, Not(HasSubstr("service=\"s" + std::to_string(9999 - kServicesShown - 1) + "\"")));
}

TEST(DatapathMetrics, Devices) {
    DatapathFacts facts;
    facts.devices = {{.ifindex = 2, .name = "eth0", .xdp = "native,frags", .tc = "in,out"},
                     {.ifindex = 3, .name = "eth1", .xdp = "-", .tc = "in", .problems = {"eth1: tc egress: gone"}}};
    const std::string text = text_of(facts);
    EXPECT_THAT(text, HasSubstr("shunt_devices 2\n"));
    EXPECT_THAT(text, HasSubstr("shunt_device_attached{device=\"eth0\",hook=\"xdp\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("shunt_device_attached{device=\"eth1\",hook=\"xdp\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("shunt_device_attached{device=\"eth1\",hook=\"tc\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("shunt_device_problems{device=\"eth1\"} 1\n"));
}

TEST(SyncMetrics, ChangesWaitUntilTheyAreInForce) {
    const auto at = [](std::chrono::nanoseconds time) {
        return Moment{static_cast<std::uint64_t>(time.count()),
                      std::chrono::system_clock::time_point(1'795'425'000s + time)};
    };
    const auto text = [](const SyncMetrics& metrics, const ProxyHealth& health) {
        MetricPage page;
        metrics.add_to(page, health);
        return page.text();
    };
    SyncMetrics metrics(at(0s));
    ProxyHealth health;
    Change change;
    change.services = {{"shop", "web"}};
    change.service_objects = 1;
    change.slice_objects = 2;
    health.queued(at(1s));
    metrics.queued(change, at(1s).monotonic_ns);
    metrics.failed();
    std::string shown = text(metrics, health);
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_endpoint_changes_pending 2\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_service_changes_pending 1\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_last_timestamp_seconds 0\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds 1795425001\n"));
    EXPECT_THAT(shown, HasSubstr("shunt_sync_failures_total 1\n"));

    Snapshot snapshot;
    Change ignored;
    put(snapshot,
        EndpointSlice{.name = {"shop", "a"}, .service_name = "web", .change_trigger_time = "2026-11-23T09:10:01Z"},
        ignored);
    metrics.in_force(snapshot, change.services, at(4s).monotonic_ns, at(4s + 20ms));
    health.in_force(at(4s + 20ms));
    shown = text(metrics, health);
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_endpoint_changes_pending 0\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_endpoint_changes_total 2\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_last_timestamp_seconds 1795425004.02\n"));
    // 20 ms to sync; 3.02 s from its notice, and as long from the controller's note.
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.016\"} 0\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.032\"} 1\n"));
    EXPECT_THAT(shown, HasSubstr("shunt_change_in_force_seconds_bucket{le=\"2.048\"} 0\n"));
    EXPECT_THAT(shown, HasSubstr("shunt_change_in_force_seconds_bucket{le=\"4.096\"} 1\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_network_programming_duration_seconds_bucket{le=\"3\"} 0\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_network_programming_duration_seconds_bucket{le=\"4\"} 1\n"));
    EXPECT_THAT(shown, HasSubstr("kubeproxy_network_programming_duration_seconds_bucket{le=\"300\"} 1\n"));
}

}  // namespace
}  // namespace shunt
