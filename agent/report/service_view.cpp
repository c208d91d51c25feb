// SPDX-License-Identifier: Apache-2.0
#include "agent/report/service_view.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "agent/plan/desired.h"
#include "agent/report/first_error.h"

namespace shunt {
namespace {

std::string backend_note(const backend& value) {
    if (value.slots != 0) {
        return value.state == BACKEND_SERVING_TERMINATING ? "used: none is ready" : "";
    }
    switch (value.state) {
        case BACKEND_READY:
            return "takes no new flows";
        case BACKEND_SERVING_TERMINATING:
        case BACKEND_TERMINATING:
            return "finishing";
        case BACKEND_NOT_READY:
            return "not used: not ready";
    }
    return "";
}

BackendRow backend_row(const backend& value, const service& owner, std::uint64_t flows) {
    const std::uint32_t slots = SERVICE_SLICE_SIZE(owner.slice);
    return {
        .at = address_port(value.family, value.address, value.port),
        .node = text_of(value.node),
        .placement = value.placement,
        .state = value.state,
        .share = slots == 0 ? 0 : static_cast<double>(value.slots) / slots,
        .flows = flows,
        .note = backend_note(value),
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
    const auto has = [&](service_treatment treatment) {
        return std::ranges::any_of(families, [&](const FamilyRow& row) { return row.treatment == treatment; });
    };
    return has(LEFT_POLICY_LOCAL) ? "Local" : has(SERVED) ? "Cluster" : "";
}

std::string ServiceRow::ready_text() const {
    return by_family(*this, ", ", [](const FamilyRow& row) {
        return std::to_string(row.ready) + '/' + std::to_string(row.total);
    });
}

std::string ServiceRow::note() const {
    return by_family(*this, "; ", [&](const FamilyRow& row) -> std::string {
        if (row.treatment != SERVED) {
            return "left to the stack: " + treatment_reason(row.treatment);
        }
        const bool usable = std::ranges::any_of(
            backends, [&](const BackendRow& backend) { return backend.at.address.family == row.family && backend.share > 0; });
        return usable ? "" : "no usable endpoint: left to the stack";
    });
}

bool ServiceRow::is_served() const {
    return std::ranges::any_of(families, [](const FamilyRow& row) { return row.treatment == SERVED; });
}

bool ServiceRow::lacks_endpoints() const {
    return std::ranges::any_of(families, [&](const FamilyRow& row) {
        return row.treatment == SERVED && std::ranges::none_of(backends, [&](const BackendRow& backend) {
                   return backend.at.address.family == row.family && backend.share > 0;
               });
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

Result<ServiceMaps> read_service_maps(const PinnedMaps& maps) {
    auto services = maps.services();
    auto backends = maps.backends();
    auto frontends = maps.frontends();
    auto counts = maps.service_counts();
    if (const Error* error = first_error(services, backends, frontends, counts)) {
        return std::unexpected(*error);
    }
    auto flows = count_flows(maps, *backends);
    if (!flows) {
        return std::unexpected(flows.error());
    }
    return ServiceMaps{std::move(*services), std::move(*backends), std::move(*frontends), std::move(*counts),
                       std::move(*flows)};
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
        }
        row.families.push_back({.id = id, .family = value.family, .treatment = value.treatment});
        const service_counters counts = value_or_zero(maps.counts, id);
        row.flows += value_or_zero(maps.flows.by_service, id);
        row.flows_opened += counts.flows_opened;
        row.drops += counts.drops;
        row_of_id[id] = &row;
    }
    for (const auto& [id, value] : maps.backends) {
        const auto found = row_of_id.find(value.service);
        if (found == row_of_id.end()) {
            continue;  // its service went between two reads
        }
        ServiceRow& row = *found->second;
        row.backends.push_back(
            backend_row(value, maps.services.at(value.service), value_or_zero(maps.flows.by_backend, id)));
        for (FamilyRow& family : row.families) {
            if (family.id == value.service) {
                family.total++;
                family.ready += value.state == BACKEND_READY;
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
