// SPDX-License-Identifier: Apache-2.0
// The routing tables, all of them.
#pragma once

#include <functional>
#include <optional>

#include "agent/network/message.h"
#include "agent/network/netlink.h"
#include "agent/support/result.h"

namespace shunt {

// Both families and every table; one by one, because a node may carry a full BGP table. `visit` may see a route
// twice.
Status dump_routes(Netlink& netlink, const std::function<void(const RouteMessage&)>& visit);

// Where this node itself would send a packet to `address`; nullopt: nowhere, to itself or to several.
std::optional<RouteHop> route_to(Netlink& netlink, const IpAddress& address);

}  // namespace shunt
