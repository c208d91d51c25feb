// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/datapath_metrics.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "agent/report/events.h"
#include "agent/report/first_error.h"
#include "agent/report/words.h"

namespace shunt {
namespace {

using prometheus::MetricFamily;

// DROP_ROUTE_NONE -> "route_none": the metric's name says the rest.
std::string label_of(std::string_view name, std::string_view prefix) {
    if (name.starts_with(prefix)) {
        name.remove_prefix(prefix.size());
    }
    std::string label(name);
    std::ranges::transform(label, label.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return label;
}

void add_events(MetricPage& page, const DatapathFacts& facts) {
    const struct {
        event_kind kind;
        std::string_view prefix;
        const char* label;
        MetricFamily& family;
    } kinds[] = {
        {EVENT_FORWARDED, "FORWARDED_", "path",
         page.counter("shunt_packets_forwarded_total", "Packets rewritten and sent on their way.")},
        {EVENT_FLOW, "FLOW_", "event",
         page.counter("shunt_flow_events_total", "What happened to flows (maps/event.def).")},
        {EVENT_PASSED, "PASSED_", "reason",
         page.counter("shunt_packets_passed_total", "Packets to a frontend that were left to the stack, untouched.")},
        {EVENT_ANSWERED, "ANSWERED_", "answer",
         page.counter("shunt_packets_answered_total", "Packets that shunt answered itself, in the name of a frontend.")},
        {EVENT_DROPPED, "DROP_", "reason",
         page.counter("shunt_packets_dropped_total", "Packets dropped; `shunt counters` names the next step.")},
    };
    for (std::size_t event = 0; event < EVENT_COUNT; event++) {
        const EventText& text = event_texts()[event];
        for (const auto& kind : kinds) {
            if (kind.kind == text.kind) {
                put(kind.family, static_cast<double>(facts.events[event]),
                    {{kind.label, label_of(text.name, kind.prefix)}});
            }
        }
    }
}

void add_flows(MetricPage& page, const DatapathFacts& facts) {
    auto& flows = page.gauge("shunt_flows", "Connections and UDP conversations in the flow table.");
    for (const auto& [place, count] : facts.use.flows) {
        put(flows, static_cast<double>(count),
            {{"family", std::string(word(place.first))}, {"state", std::string(word(place.second))}});
    }
    auto& limit = page.gauge("shunt_flows_limit", "How many flows the table of a family has room for (--max-flows).");
    for (const address_family family : {IPV4, IPV6}) {
        put(limit, static_cast<double>(facts.max_flows), {{"family", std::string(word(family))}});
    }
    std::uint64_t fullest = 0;
    for (const auto& [service, ports] : facts.use.fullest_backend) {
        fullest = std::max(fullest, ports);
    }
    put(page.gauge("shunt_snat_ports_in_use",
                   "Source ports in use towards the backend that has most; each has the range to itself."),
        static_cast<double>(fullest));
}

void add_devices(MetricPage& page, const DatapathFacts& facts) {
    put(page.gauge("shunt_devices", "Devices that the agent attached its programs to."),
        static_cast<double>(facts.devices.size()));
    auto& attached =
        page.gauge("shunt_device_attached",
                   "1: the programs are on the device. XDP may be off for a reason, then tc serves alone.");
    auto& problems = page.gauge("shunt_device_problems", "What is wrong with a device; `shunt status` says what.");
    for (std::size_t i = 0; i < std::min(facts.devices.size(), kDevicesShown); i++) {
        const DeviceRow& device = facts.devices[i];
        put(attached, device.xdp != "-" && device.xdp != "gone", {{"device", device.name}, {"hook", "xdp"}});
        put(attached, device.tc == "in,out", {{"device", device.name}, {"hook", "tc"}});
        put(problems, static_cast<double>(device.problems.size()), {{"device", device.name}});
    }
}

// A Service port, both families in one.
struct PortRow {
    std::uint32_t id = 0;  // the lowest
    std::uint64_t flows = 0;
    std::uint64_t opened = 0;
    std::uint64_t drops = 0;
    std::uint64_t rescued = 0;
    std::uint64_t skipped = 0;
    std::uint64_t snat_ports = 0;
};

template <typename Map>
typename Map::mapped_type value_or_zero(const Map& map, std::uint32_t id) {
    const auto found = map.find(id);
    return found == map.end() ? typename Map::mapped_type{} : found->second;
}

void add_services(MetricPage& page, const DatapathFacts& facts) {
    using Key = std::tuple<std::string, std::string, std::uint16_t, l4_protocol>;
    std::map<Key, PortRow> rows;
    std::set<Key> left;
    std::set<Key> without_endpoints;
    for (const auto& [id, value] : facts.services) {
        Key key{text_of(value.service_namespace), text_of(value.name), value.port, value.protocol};
        if (value.treatment != SERVED) {
            left.insert(std::move(key));
            continue;
        }
        if (SERVICE_SLICE_SIZE(value.slice) == 0 && SERVICE_SLICE_SIZE(value.local_slice) == 0) {
            without_endpoints.insert(key);
        }
        PortRow& row = rows.try_emplace(std::move(key), PortRow{.id = id}).first->second;
        const service_counters counts = value_or_zero(facts.service_counts, id);
        row.flows += value_or_zero(facts.use.by_service, id);
        row.opened += counts.flows_opened;
        row.drops += counts.drops;
        row.rescued += counts.rescued;
        row.skipped += counts.skipped;
        row.snat_ports = std::max(row.snat_ports, value_or_zero(facts.use.fullest_backend, id));
    }
    std::erase_if(left, [&](const Key& key) { return rows.contains(key); });
    auto& services = page.gauge("shunt_services", "Service ports, both address families in one.");
    put(services, static_cast<double>(rows.size()), {{"treatment", "served"}});
    put(services, static_cast<double>(left.size()), {{"treatment", "left_to_stack"}});
    put(page.gauge("shunt_services_without_endpoints",
                   "Served Service ports of which a family has no usable endpoint."),
        static_cast<double>(without_endpoints.size()));

    std::vector<std::pair<const Key, PortRow>*> shown;
    for (auto& row : rows) {
        shown.push_back(&row);
    }
    const std::size_t count = std::min(shown.size(), kServicesShown);
    std::ranges::partial_sort(shown, shown.begin() + static_cast<std::ptrdiff_t>(count), {},
                              [](const auto* row) { return row->second.id; });
    put(page.gauge("shunt_services_without_series",
                   "Served Service ports beyond the first thousand, which have no series of their own."),
        static_cast<double>(shown.size() - count));
    auto& flows = page.gauge("shunt_service_flows", "Flows of a Service port.");
    auto& opened =
        page.counter("shunt_service_flows_opened_total", "Flows opened for a Service port since it is known.");
    auto& drops =
        page.counter("shunt_service_drops_total", "Packets of a Service port that were dropped since it is known.");
    auto& rescued = page.counter("shunt_service_rescued_total",
                                 "SYNs of a Service port that were sent again and went to another backend.");
    auto& skipped = page.counter("shunt_service_skipped_total",
                                 "Flows of a Service port that passed over a backend which left its last SYNs unanswered.");
    auto& ports = page.gauge("shunt_service_snat_ports_in_use",
                             "Source ports in use towards the backend of a Service port that has most.");
    for (std::size_t i = 0; i < count; i++) {
        const auto& [key, row] = *shown[i];
        const auto& [name_space, name, port, protocol] = key;
        const MetricLabels labels = {{"namespace", name_space},
                                     {"service", name},
                                     {"port", std::to_string(port)},
                                     {"protocol", std::string(word(protocol))}};
        put(flows, static_cast<double>(row.flows), labels);
        put(opened, static_cast<double>(row.opened), labels);
        put(drops, static_cast<double>(row.drops), labels);
        put(rescued, static_cast<double>(row.rescued), labels);
        put(skipped, static_cast<double>(row.skipped), labels);
        put(ports, static_cast<double>(row.snat_ports), labels);
    }
}

}  // namespace

Result<DatapathFacts> read_datapath(const PinnedMaps& maps, const FlowTables& tables) {
    const auto events = maps.events();
    auto services = maps.services();
    auto counts = maps.service_counts();
    auto devices = read_devices(maps);
    const auto max_flows = maps.max_flows();
    if (const Error* error = first_error(events, services, counts, devices, max_flows)) {
        return std::unexpected(*error);
    }
    return DatapathFacts{.events = *events,
                         .services = std::move(*services),
                         .service_counts = std::move(*counts),
                         .devices = std::move(*devices),
                         .use = count_flow_use(tables),
                         .max_flows = *max_flows};
}

void add_datapath_metrics(MetricPage& page, const DatapathFacts& facts) {
    add_events(page, facts);
    add_flows(page, facts);
    add_devices(page, facts);
    add_services(page, facts);
}

}  // namespace shunt
