// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/local_endpoints.h"

#include <algorithm>
#include <set>

#include "agent/plan/desired.h"
#include "agent/plan/endpoint_choice.h"

namespace shunt {
namespace {

// Usable ones there are, but none on this node: neither a ready one nor one that terminates and still serves.
bool lacks_local(const ChosenEndpoints& endpoints) {
    return !cluster_set(endpoints).empty() && local_set(endpoints).empty();
}

}  // namespace

std::optional<LocalEndpoints> local_endpoints(const Snapshot& snapshot, const ObjectName& name,
                                              std::string_view own_node) {
    const auto found = snapshot.services.find(name);
    if (found == snapshot.services.end() || is_service_ignored(found->second) ||
        found->second.external_traffic_policy != TrafficPolicy::local) {
        return std::nullopt;
    }
    const Service& service = found->second;
    LocalEndpoints local;
    if (service.type == ServiceType::load_balancer) {
        local.health_port = service.health_check_node_port;
    }
    std::map<address_family, std::set<IpAddress>> ready;
    if (const auto cluster_ip = IpAddress::parse(service.cluster_ip)) {
        ready[cluster_ip->family];
    }
    const auto slices = slices_of(snapshot, name);
    for (const EndpointSlice* slice : slices) {
        std::set<IpAddress>& addresses = ready[slice->family];
        for (const Endpoint& endpoint : slice->endpoints) {
            if (!slice->ports.empty() && !endpoint.node_name.empty() && endpoint.node_name == own_node &&
                endpoint_state(endpoint) == BACKEND_READY) {
                addresses.insert(endpoint.address);
            }
        }
    }
    for (const auto& [family, addresses] : ready) {
        local.ready[family] = addresses.size();
        local.ports_without[family] =
            static_cast<std::size_t>(std::ranges::count_if(service.ports, [&](const auto& port) {
                return lacks_local(choose_endpoints(slices, port, family, {.node = own_node, .zone = {}}));
            }));
    }
    return local;
}

}  // namespace shunt
