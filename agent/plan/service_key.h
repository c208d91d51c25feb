// SPDX-License-Identifier: Apache-2.0
// What makes a service of `services` the same one across changes and restarts.
#pragma once

#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "agent/model/object.h"
#include "maps/frontend.h"
#include "maps/service.h"
#include "maps/source_range.h"

namespace shunt {

// Ordered by Service first, so that the ports of one Service stand together.
struct ServiceKey {
    ObjectName name;
    std::uint16_t port = 0;
    l4_protocol protocol = TCP;
    address_family family = IPV4;
    std::string port_name;

    auto operator<=>(const ServiceKey&) const = default;

    // "shop/orders:80", and what is not the usual: "shop/dns:53 udp ipv6".
    std::string to_string() const;
};

ServiceKey service_key(const service& value);

// Namespace, names, port, protocol and family filled in, the rest 0. nullopt if a name does not fit the map.
std::optional<service> service_value(const ServiceKey& key);

struct FrontendKeyLess {
    bool operator()(const frontend_key& left, const frontend_key& right) const {
        return std::memcmp(&left, &right, sizeof(left)) < 0;
    }
};

// Of a load-balancer address as a whole.
frontend_key address_key(const IpAddress& address);
IpAddress address_of(const frontend_key& key);

struct SourceRangeKeyLess {
    bool operator()(const source_range_key& left, const source_range_key& right) const {
        return std::memcmp(&left, &right, sizeof(left)) < 0;
    }
};

// `service`: its id, or CLUSTER_RANGES.
source_range_key range_key(std::uint32_t service, const IpPrefix& prefix);
IpPrefix prefix_of(const source_range_key& key);

}  // namespace shunt
