// SPDX-License-Identifier: Apache-2.0
// Words, tables and joins: what the maps hold, as people read it.
#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "agent/report/events.h"
#include "agent/report/flow_view.h"
#include "agent/report/json_text.h"
#include "agent/report/service_view.h"
#include "agent/report/status_view.h"
#include "agent/report/table.h"
#include "agent/report/words.h"

namespace shunt {
namespace {

TEST(Words, Figures) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1204), "1,204");
    EXPECT_EQ(grouped(1234567), "1,234,567");
    EXPECT_EQ(per_second(0), "0/s");
    EXPECT_EQ(per_second(0.42), "0.4/s");
    EXPECT_EQ(per_second(1203.6), "1,204/s");
    EXPECT_EQ(duration(0), "0s");
    EXPECT_EQ(duration(59), "59s");
    EXPECT_EQ(duration(192), "3m12s");
    EXPECT_EQ(duration(3600 * 4 + 180), "4h03m");
    EXPECT_EQ(duration(86400 * 9 + 5), "9d");
    EXPECT_EQ(milliseconds(3100000), "3.1 ms");
    EXPECT_EQ(percent(0, 100), "0%");
    EXPECT_EQ(percent(1, 1000), "<1%");
    EXPECT_EQ(percent(181204, 1048576), "17%");
    EXPECT_EQ(percent(1, 0), "0%");
}

TEST(Words, Addresses) {
    EXPECT_EQ((AddressPort{*IpAddress::parse("192.0.2.1"), 80}).to_string(), "192.0.2.1:80");
    EXPECT_EQ((AddressPort{*IpAddress::parse("2001:db8::1"), 80}).to_string(), "[2001:db8::1]:80");
    EXPECT_EQ(address_port(__builtin_bswap32(0xc0000201), __builtin_bswap16(443)).to_string(), "192.0.2.1:443");
}

TEST(Words, TextNeedsNoNul) {
    const char full[4] = {'a', 'b', 'c', 'd'};
    EXPECT_EQ(text_of(full), "abcd");
    const char half[4] = {'a', 'b', '\0', 'd'};
    EXPECT_EQ(text_of(half), "ab");
}

TEST(Table, AlignsAndLeavesNoTrailingSpaces) {
    Table table({"NAME", ">COUNT", "NOTE"});
    EXPECT_TRUE(table.empty());
    table.add({"a", "1,204", ""});
    table.add({"longer", "7", "why"});
    table.add({"", "0"});
    std::ostringstream out;
    table.print(out);
    EXPECT_EQ(out.str(),
              "NAME    COUNT  NOTE\n"
              "a       1,204\n"
              "longer      7  why\n"
              "-           0\n");
}

TEST(Json, Indents) {
    std::ostringstream out;
    print_json(out, {{"a", {1, "x\"y"}}, {"empty", boost::json::array()}, {"o", {{"n", nullptr}}}});
    EXPECT_EQ(out.str(),
              "{\n  \"a\": [\n    1,\n    \"x\\\"y\"\n  ],\n  \"empty\": [],\n  \"o\": {\n    \"n\": null\n  }\n}\n");
}

TEST(Events, EachDropHasMeaningCauseAndNextStep) {
    EXPECT_EQ(event_texts()[DROP_FLOW_TABLE_FULL].name, "DROP_FLOW_TABLE_FULL");
    for (const EventText& text : event_texts()) {
        EXPECT_FALSE(text.meaning.empty()) << text.name;
        EXPECT_NE(word(text.kind), "?") << text.name;
        if (text.kind == EVENT_DROPPED) {
            EXPECT_FALSE(text.cause.empty()) << text.name;
            EXPECT_FALSE(text.next_step.empty()) << text.name;
        }
    }
}

template <std::size_t size>
void set(char (&to)[size], const char* text) {
    std::strncpy(to, text, size - 1);
}

service make_service(const char* name, address_family family, service_treatment treatment, std::uint32_t slots) {
    service value{};
    set(value.service_namespace, "shop");
    set(value.name, name);
    value.family = family;
    value.protocol = TCP;
    value.type = SERVICE_NODE_PORT;
    value.treatment = treatment;
    value.external_policy = POLICY_CLUSTER;
    value.port = 8080;
    value.node_port = 32001;
    value.slice = SERVICE_SLICE(100, slots);
    return value;
}

backend make_backend(std::uint32_t service, const char* address, backend_state state, std::uint32_t slots) {
    backend value{};
    const IpAddress parsed = *IpAddress::parse(address);
    value.family = parsed.family;
    value.protocol = TCP;
    std::memcpy(value.address, parsed.octets.data(), ADDRESS_SIZE);
    value.port = 8080;
    value.service = service;
    value.placement = BACKEND_REMOTE;
    value.state = state;
    value.slots = slots;
    set(value.node, "node-b");
    return value;
}

frontend_key make_frontend(const char* address, std::uint16_t port) {
    frontend_key key{};
    const IpAddress parsed = *IpAddress::parse(address);
    key.family = parsed.family;
    key.protocol = TCP;
    std::memcpy(key.address, parsed.octets.data(), ADDRESS_SIZE);
    key.port = port;
    return key;
}

ServiceMaps two_families() {
    ServiceMaps maps;
    maps.services = {{1, make_service("orders", IPV4, SERVED, 10)}, {2, make_service("orders", IPV6, SERVED, 10)}};
    maps.backends = {{1, make_backend(1, "192.0.2.20", BACKEND_READY, 5)},
                     {2, make_backend(1, "192.0.2.10", BACKEND_READY, 5)},
                     {3, make_backend(2, "2001:db8::10", BACKEND_READY, 10)},
                     {4, make_backend(1, "192.0.2.30", BACKEND_TERMINATING, 0)}};
    maps.frontends = {{make_frontend("198.18.0.21", 32001), {1, FRONTEND_NODE_PORT}},
                      {make_frontend("198.18.1.21", 32001), {1, FRONTEND_NODE_PORT}},
                      {make_frontend("2001:db8::21", 32001), {2, FRONTEND_NODE_PORT}},
                      {make_frontend("203.0.113.9", 8080), {1, FRONTEND_LOAD_BALANCER}}};
    maps.counts = {{1, {10, 1, 2, 0}}, {2, {3, 0, 3, 4}}};
    maps.flows.by_service = {{1, 4}, {2, 2}};
    maps.flows.by_backend = {{2, 4}};
    return maps;
}

TEST(ServiceView, BothFamiliesAreOneRow) {
    const auto rows = join_services(two_families());
    ASSERT_EQ(rows.size(), 1U);
    const ServiceRow& row = rows[0];
    EXPECT_EQ(row.title(), "shop/orders:8080");
    EXPECT_EQ(row.frontends_text(), "203.0.113.9:8080/TCP, *:32001/TCP");
    EXPECT_EQ(row.policy(), "Cluster");
    EXPECT_EQ(row.ready_text(), "IPv4 2/3, IPv6 1/1");
    EXPECT_EQ(row.note(), "");
    EXPECT_EQ(row.flows, 6U);
    EXPECT_EQ(row.flows_opened, 13U);
    EXPECT_EQ(row.drops, 1U);
    EXPECT_EQ(row.rescued, 5U);
    EXPECT_EQ(row.skipped, 4U);
    EXPECT_EQ(row.affinity_text(), "");
    EXPECT_EQ(row.ranges_text(), "");
    EXPECT_EQ(row.families[0].usable, 2U);
    EXPECT_EQ(row.families[0].local, 0U);
    ASSERT_EQ(row.backends.size(), 4U);
    EXPECT_EQ(row.backends[0].at.to_string(), "192.0.2.10:8080");
    EXPECT_EQ(row.backends[0].flows, 4U);
    EXPECT_DOUBLE_EQ(row.backends[0].share, 0.5);
    EXPECT_EQ(row.backends[2].note, "finishing");
    EXPECT_DOUBLE_EQ(row.backends[3].share, 1);
}

TEST(ServiceView, WhatIsLeftToTheStackSaysWhy) {
    ServiceMaps maps;
    maps.services = {{1, make_service("clash", IPV4, LEFT_SNAT_PORT_CLASH, 0)},
                     {2, make_service("inner", IPV4, LEFT_NO_EXTERNAL_FRONTEND, 0)},
                     {3, make_service("half", IPV4, SERVED, 10)},
                     {4, make_service("half", IPV6, LEFT_FRONTEND_TAKEN, 0)}};
    maps.backends = {{1, make_backend(3, "192.0.2.20", BACKEND_READY, 10)}};
    const auto rows = join_services(maps);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].note(), "left to the stack: one of its frontends is a source address of this node with a port of the SNAT "
                              "range; move that range with --snat-ports");
    EXPECT_FALSE(rows[0].is_served());
    EXPECT_FALSE(rows[0].lacks_endpoints());
    EXPECT_EQ(rows[1].note(), "IPv6 left to the stack: another Service has one of its frontends");
    EXPECT_TRUE(rows[1].is_served());
    EXPECT_EQ(rows[2].policy(), "");
    EXPECT_EQ(rows[2].note(), "left to the stack: it has cluster IPs only");
}

// The shares are those of clients from outside; the Cluster set is for clients in the cluster.
TEST(ServiceView, PolicyLocal) {
    ServiceMaps maps;
    maps.services = {{1, make_service("web", IPV4, SERVED, 10)}};
    maps.services[1].external_policy = POLICY_LOCAL;
    maps.services[1].local_slice = SERVICE_SLICE(200, 7);
    maps.backends = {{1, make_backend(1, "192.0.2.10", BACKEND_READY, 5)},
                     {2, make_backend(1, "192.0.2.20", BACKEND_READY, 5)},
                     {3, make_backend(1, "192.0.2.30", BACKEND_READY, 0)},
                     {4, make_backend(1, "192.0.2.40", BACKEND_SERVING_TERMINATING, 0)}};
    maps.backends[1].placement = BACKEND_LOCAL;
    maps.local_slots = {{1, 7}};
    ServiceRow row = join_services(maps).at(0);
    EXPECT_EQ(row.policy(), "Local");
    EXPECT_EQ(row.ready_text(), "3/4 (1 here)");
    EXPECT_EQ(row.note(), "");
    EXPECT_DOUBLE_EQ(row.backends[0].share, 1);
    EXPECT_EQ(row.backends[0].note, "");
    EXPECT_DOUBLE_EQ(row.backends[1].share, 0);
    EXPECT_TRUE(row.backends[1].is_usable);
    EXPECT_EQ(row.backends[1].note, "only for clients in the cluster: policy Local");
    EXPECT_EQ(row.backends[2].note, "not used: the hints of its EndpointSlice name others");
    EXPECT_EQ(row.backends[3].note, "finishing");

    maps.services[1].local_slice = 0;
    maps.local_slots.clear();
    row = join_services(maps).at(0);
    EXPECT_EQ(row.note(), "policy Local, no endpoint on this node: clients from outside get no answer");
    EXPECT_FALSE(row.lacks_endpoints());
}

TEST(ServiceView, AffinityAndSourceRanges) {
    ServiceMaps maps;
    maps.services = {{1, make_service("web", IPV4, SERVED, 0)}, {2, make_service("web", IPV6, SERVED, 0)}};
    for (auto& [id, value] : maps.services) {
        value.affinity_timeout_s = 10800;
        value.source_ranges = 1;
    }
    EXPECT_EQ(join_services(maps).at(0).ranges_text(), "nobody");
    EXPECT_EQ(join_services(maps).at(0).affinity_text(), "ClientIP 3h00m");
    maps.source_ranges = {{0, {*IpPrefix::parse("198.19.0.0/16")}}, {1, {*IpPrefix::parse("192.0.2.0/24")}}};
    EXPECT_EQ(join_services(maps).at(0).ranges_text(), "192.0.2.0/24");
}

TEST(ServiceView, AWholeAddressIsNoFrontendOfAService) {
    ServiceMaps maps = two_families();
    const std::size_t before = join_services(maps).at(0).frontends.size();
    maps.frontends.push_back({make_frontend("203.0.113.9", 0), {0, FRONTEND_ADDRESS}});
    EXPECT_EQ(join_services(maps).at(0).frontends.size(), before);
}

TEST(ServiceView, WithoutEndpoints) {
    ServiceMaps maps;
    maps.services = {{1, make_service("empty", IPV4, SERVED, 0)}};
    const auto rows = join_services(maps);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].ready_text(), "0/0");
    EXPECT_TRUE(rows[0].lacks_endpoints());
    EXPECT_EQ(rows[0].note(), "no usable endpoint: new connections are refused");
}

TEST(FlowView, IdleSurvivesTheWrapOfTheTick) {
    const std::uint64_t now = (std::uint64_t{1} << 62) + (std::uint64_t{10} << 30);  // the tick's low 32 bits are 10
    EXPECT_EQ(idle_seconds(10, now), 0U);
    EXPECT_EQ(idle_seconds(0, now), 10U);
    EXPECT_EQ(idle_seconds(0xffff, now), 11U);
    EXPECT_EQ(idle_seconds(11, now), 0U) << "a packet that came while the map was read";
}

TEST(FlowView, FilterNeedsAllOfItsParts) {
    const FlowRow row{.protocol = TCP,
                      .client = {*IpAddress::parse("198.51.100.7"), 40000},
                      .frontend = {*IpAddress::parse("198.18.0.21"), 32001},
                      .backend = {*IpAddress::parse("192.0.2.10"), 8080},
                      .source = {},
                      .state = FLOW_ESTABLISHED,
                      .idle_s = 0,
                      .service = 1};
    FlowFilter filter;
    EXPECT_TRUE(filter.accepts(row));
    filter.client = row.client.address;
    filter.backend_port = 8080;
    filter.services = std::set<std::uint32_t>{1, 2};
    EXPECT_TRUE(filter.accepts(row));
    filter.protocol = UDP;
    EXPECT_FALSE(filter.accepts(row));
}

StatusReport good_report() {
    StatusReport report;
    report.now_ns = 100000000000;
    report.agent.sync = AGENT_SYNCED;
    report.agent.pid = 7;
    report.life = {.alive = true, .ever_ran = true, .heartbeat_age_ns = 1000000, .has_process = true};
    report.devices = {{.ifindex = 2, .name = "eth0", .xdp = "native,frags", .tc = "in,out", .tc_kind = "tcx", .mtu = 1500, .note = "", .problems = {}}};
    return report;
}

TEST(StatusView, AsItShouldBe) {
    EXPECT_TRUE(good_report().problems().empty());
    EXPECT_TRUE(good_report().is_synced());
}

TEST(StatusView, LeftToTheStackIsNoProblem) {
    StatusReport report = good_report();
    report.totals.left_to_stack = 5;
    report.totals.without_endpoints = 1;
    EXPECT_TRUE(report.problems().empty());
}

TEST(StatusView, EachProblemIsNamed) {
    StatusReport gone = good_report();
    gone.life = {.alive = false, .ever_ran = true, .heartbeat_age_ns = 12000000000, .has_process = false};
    EXPECT_EQ(gone.problems(), std::vector<std::string>{
                                   "the agent (pid 7) is gone, silent for 12s: start it; traffic goes on meanwhile"});
    EXPECT_FALSE(gone.is_synced());

    StatusReport waiting = good_report();
    waiting.agent.sync = AGENT_WAITING;
    set(waiting.agent.waiting_for, "the Node node-a");
    EXPECT_EQ(waiting.problems(), std::vector<std::string>{"the agent is waiting for the Node node-a"});
    EXPECT_FALSE(waiting.is_synced());

    StatusReport broken = good_report();
    broken.agent.broken_files = 1;
    set(broken.agent.last_error, "read /m/a.yaml:3:1: not YAML");
    EXPECT_EQ(broken.problems(), std::vector<std::string>{"1 manifest is broken, the last good state is in force; mend: read "
                                                          "/m/a.yaml:3:1: not YAML"});
    EXPECT_TRUE(broken.is_synced());

    StatusReport silent = good_report();
    silent.agent.source_silence_s = 900;
    EXPECT_TRUE(silent.problems().empty()) << "manifests are always there";
    set(silent.agent.source, "API server https://192.0.2.1:6443");
    EXPECT_EQ(silent.problems().size(), 1U);
    EXPECT_TRUE(silent.problems()[0].starts_with("the API server is silent for 15m"));
    silent.agent.source_silence_s = 70;
    EXPECT_TRUE(silent.problems().empty()) << "bookmarks come once a minute";

    StatusReport detached = good_report();
    detached.devices.clear();
    EXPECT_EQ(detached.problems().size(), 1U);
    EXPECT_FALSE(detached.is_synced());

    StatusReport never;
    EXPECT_EQ(never.problems(), std::vector<std::string>{"no agent has reported yet: start it, or read its log"});
}

}  // namespace
}  // namespace shunt
