// SPDX-License-Identifier: Apache-2.0
#include "agent/report/service_view.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <span>
#include <tuple>

#include "agent/plan/desired.h"
#include "agent/report/first_error.h"

namespace shunt {
namespace {

std::string backend_note(const backend& value, bool is_for_outside) {
    if (value.slots != 0) {
        return !is_for_outside                                ? "only for clients in the cluster: policy Local"
               : value.state == BACKEND_SERVING_TERMINATING ? "used: none is ready"
                                                              : "";
    }
    switch (value.state) {
        case BACKEND_READY:
            return "not used: the hints of its EndpointSlice name others";
        case BACKEND_SERVING_TERMINATING:
        case BACKEND_TERMINATING:
            return "finishing";
        case BACKEND_NOT_READY:
            return "not used: not ready";
    }
    return "";
}

double share_of(std::uint32_t slots, std::uint32_t size) { return size == 0 ? 0 : static_cast<double>(slots) / size; }

BackendRow backend_row(const backend& value, const service& owner, std::uint32_t local_slots, std::uint64_t flows) {
    const bool is_local_policy = owner.external_policy == POLICY_LOCAL;
    return {
        .at = address_port(value.family, value.address, value.port),
        .node = text_of(value.node),
        .placement = value.placement,
        .state = value.state,
        .share = is_local_policy ? share_of(local_slots, SERVICE_SLICE_SIZE(owner.local_slice))
                                 : share_of(value.slots, SERVICE_SLICE_SIZE(owner.slice)),
        .is_usable = value.slots != 0,
        .flows = flows,
        .note = backend_note(value, !is_local_policy || local_slots != 0),
    };
}

template <typename Map>
typename Map::mapped_type value_or_zero(const Map& map, std::uint32_t id) {
    const auto found = map.find(id);
    return found == map.end() ? typename Map::mapped_type{} : found->second;
}

// What stands first in a list is what the outside dials first.
int rank(frontend_kind kind) { return kind == FRONTEND_NODE_PORT ? 2 : kind == FRONTEND_EXTERNAL_IP ? 1 : 0; }

const FamilyRow* find_family(const ServiceRow& row, address_family family) {
    const auto found = std::ranges::find(row.families, family, &FamilyRow::family);
    return found == row.families.end() ? nullptr : &*found;
}

// One text if all families say the same, else each with its family. An empty one is left out.
template <typename Text>
std::string by_family(const ServiceRow& row, const char* separator, Text&& text) {
    std::set<std::string> different;
    std::string all;
    for (const FamilyRow& family : row.families) {
        const std::string one = text(family);
        different.insert(one);
        if (!one.empty()) {
            all += (all.empty() ? "" : separator) + std::string(word(family.family)) + ' ' + one;
        }
    }
    return different.size() == 1 ? *different.begin() : all;
}

}  // namespace

std::string ServiceRow::title() const {
    return full_name() + ':' + std::to_string(port) + (protocol == TCP ? "" : '/' + std::string(word(protocol)));
}

std::string ServiceRow::frontends_text() const {
    std::vector<std::string> parts;
    for (const FrontendRow& row : frontends) {
        std::string part = row.kind == FRONTEND_NODE_PORT ? "*:" + std::to_string(row.at.port) : row.at.to_string();
        part += '/' + std::string(word(protocol));
        if (std::ranges::find(parts, part) == parts.end()) {
            parts.push_back(part);
        }
    }
    std::string text;
    for (const std::string& part : parts) {
        text += (text.empty() ? "" : ", ") + part;
    }
    return text;
}

std::string ServiceRow::policy() const {
    const auto external = std::ranges::find_if(
        families, [](const FamilyRow& row) { return row.treatment != LEFT_NO_EXTERNAL_FRONTEND; });
    return external == families.end() ? "" : std::string(word(external->policy));
}

std::string ServiceRow::ready_text() const {
    return by_family(*this, ", ", [](const FamilyRow& row) {
        return std::to_string(row.ready) + '/' + std::to_string(row.total) +
               (row.treatment == SERVED && row.policy == POLICY_LOCAL ? " (" + std::to_string(row.local) + " here)" : "");
    });
}

std::string ServiceRow::affinity_text() const {
    return affinity_timeout_s == 0 ? "" : "ClientIP " + duration(affinity_timeout_s);
}

std::string ServiceRow::ranges_text() const {
    std::string text;
    for (const std::string& range : source_ranges) {
        text += (text.empty() ? "" : ", ") + range;
    }
    return has_source_ranges && text.empty() ? "nobody" : text;
}

std::string ServiceRow::note() const {
    return by_family(*this, "; ", [&](const FamilyRow& row) -> std::string {
        if (row.treatment != SERVED) {
            return "left to the stack: " + treatment_reason(row.treatment);
        }
        if (!row.has_slots && !row.has_local_slots) {
            return "no usable endpoint: new connections are refused";
        }
        return row.policy == POLICY_LOCAL && !row.has_local_slots
                   ? "policy Local, no endpoint on this node: clients from outside get no answer"
                   : "";
    });
}

bool ServiceRow::is_served() const {
    return std::ranges::any_of(families, [](const FamilyRow& row) { return row.treatment == SERVED; });
}

bool ServiceRow::lacks_endpoints() const {
    return std::ranges::any_of(families, [](const FamilyRow& row) {
        return row.treatment == SERVED && !row.has_slots && !row.has_local_slots;
    });
}

// A flow names its service, and its backend by address and port.
Result<FlowCounts> count_flows(const PinnedMaps& maps, const std::map<std::uint32_t, backend>& backends) {
    const auto tables = maps.flows();
    if (!tables) {
        return std::unexpected(tables.error());
    }
    std::map<std::pair<std::uint32_t, AddressPort>, std::uint32_t> ids;
    for (const auto& [id, value] : backends) {
        ids[{value.service, address_port(value.family, value.address, value.port)}] = id;
    }
    FlowCounts counts;
    tables->walk([&](const auto& flow) {
        if (is_request(flow.key)) {
            counts.total++;
            counts.by_service[flow.recipe.service]++;
            const auto found = ids.find({flow.recipe.service, address_port(flow.daddr, flow.recipe.dport)});
            if (found != ids.end()) {
                counts.by_backend[found->second]++;
            }
        }
    });
    return counts;
}

// By backend.
Result<std::map<std::uint32_t, std::uint32_t>> count_local_slots(const PinnedMaps& maps,
                                                                const std::map<std::uint32_t, service>& services) {
    const auto mapped = maps.slots();
    if (!mapped) {
        return std::unexpected(mapped.error());
    }
    const std::span slots(static_cast<const std::uint32_t*>(mapped->data()), mapped->size() / sizeof(std::uint32_t));
    std::map<std::uint32_t, std::uint32_t> counts;
    for (const auto& [id, value] : services) {
        const std::size_t offset = SERVICE_SLICE_OFFSET(value.local_slice);
        const std::size_t size = SERVICE_SLICE_SIZE(value.local_slice);
        if (offset + size <= slots.size()) {
            for (const std::uint32_t& slot : slots.subspan(offset, size)) {
                counts[std::atomic_ref(const_cast<std::uint32_t&>(slot)).load(std::memory_order_relaxed)]++;
            }
        }
    }
    return counts;
}

Result<ServiceMaps> read_service_maps(const PinnedMaps& maps) {
    auto services = maps.services();
    auto backends = maps.backends();
    auto frontends = maps.frontends();
    auto counts = maps.service_counts();
    auto source_ranges = maps.source_ranges();
    if (const Error* error = first_error(services, backends, frontends, counts, source_ranges)) {
        return std::unexpected(*error);
    }
    auto flows = count_flows(maps, *backends);
    auto local_slots = count_local_slots(maps, *services);
    if (const Error* error = first_error(flows, local_slots)) {
        return std::unexpected(*error);
    }
    return ServiceMaps{.services = std::move(*services),
                       .backends = std::move(*backends),
                       .frontends = std::move(*frontends),
                       .counts = std::move(*counts),
                       .flows = std::move(*flows),
                       .local_slots = std::move(*local_slots),
                       .source_ranges = std::move(*source_ranges)};
}

std::vector<ServiceRow> join_services(const ServiceMaps& maps) {
    using Key = std::tuple<std::string, std::string, std::uint16_t, l4_protocol, std::string>;
    std::map<Key, ServiceRow> rows;
    std::map<std::uint32_t, ServiceRow*> row_of_id;
    for (const auto& [id, value] : maps.services) {
        const Key key{text_of(value.service_namespace), text_of(value.name), value.port, value.protocol,
                      text_of(value.port_name)};
        ServiceRow& row = rows[key];
        if (row.families.empty()) {
            row.name_space = std::get<0>(key);
            row.name = std::get<1>(key);
            row.port_name = std::get<4>(key);
            row.port = value.port;
            row.protocol = value.protocol;
            row.type = value.type;
            row.node_port = value.node_port;
            row.affinity_timeout_s = value.affinity_timeout_s;
        }
        row.families.push_back({.id = id,
                                .family = value.family,
                                .treatment = value.treatment,
                                .policy = value.external_policy,
                                .has_slots = SERVICE_SLICE_SIZE(value.slice) != 0,
                                .has_local_slots = SERVICE_SLICE_SIZE(value.local_slice) != 0});
        row.has_source_ranges = row.has_source_ranges || value.source_ranges != 0;
        for (const IpPrefix& range : value_or_zero(maps.source_ranges, id)) {
            row.source_ranges.push_back(range.to_string());
        }
        const service_counters counts = value_or_zero(maps.counts, id);
        row.flows += value_or_zero(maps.flows.by_service, id);
        row.flows_opened += counts.flows_opened;
        row.drops += counts.drops;
        row.rescued += counts.rescued;
        row.skipped += counts.skipped;
        row_of_id[id] = &row;
    }
    for (const auto& [id, value] : maps.backends) {
        const auto found = row_of_id.find(value.service);
        if (found == row_of_id.end()) {
            continue;  // its service went between two reads
        }
        ServiceRow& row = *found->second;
        row.backends.push_back(backend_row(value, maps.services.at(value.service), value_or_zero(maps.local_slots, id),
                                           value_or_zero(maps.flows.by_backend, id)));
        for (FamilyRow& family : row.families) {
            if (family.id == value.service) {
                family.total++;
                family.ready += value.state == BACKEND_READY;
                family.usable += value.slots != 0;
                family.local += value.slots != 0 && value.placement == BACKEND_LOCAL;
            }
        }
    }
    for (const auto& [key, value] : maps.frontends) {
        const auto found = row_of_id.find(value.service);
        if (found != row_of_id.end() && find_family(*found->second, key.family) != nullptr) {
            found->second->frontends.push_back({value.kind, address_port(key.family, key.address, key.port)});
        }
    }
    std::vector<ServiceRow> sorted;
    for (auto& [key, row] : rows) {
        std::ranges::sort(row.families, {}, &FamilyRow::family);
        std::ranges::sort(row.backends, {}, &BackendRow::at);
        std::ranges::sort(row.frontends, {}, [](const FrontendRow& frontend) {
            return std::pair(rank(frontend.kind), frontend.at);
        });
        sorted.push_back(std::move(row));
    }
    return sorted;
}

}  // namespace shunt
