// SPDX-License-Identifier: Apache-2.0
// What a Service with externalTrafficPolicy Local has on this node. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "agent/model/snapshot.h"

namespace shunt {

struct LocalEndpoints {
    std::uint16_t health_port = 0;  // healthCheckNodePort; 0: none
    // For each family that the Service has: distinct addresses of ready endpoints on this node. Terminating ones do not
    // count, although traffic falls back to them.
    std::map<address_family, std::size_t> ready;
    // Families with usable endpoints, none of them here, by service port: what kube-proxy counts as without a local
    // endpoint.
    std::map<address_family, std::size_t> ports_without;

    bool operator==(const LocalEndpoints&) const = default;
};

// nullopt: there is no such Service, it is another proxy's, or its policy is Cluster.
std::optional<LocalEndpoints> local_endpoints(const Snapshot& snapshot, const ObjectName& service,
                                              std::string_view own_node);

}  // namespace shunt
