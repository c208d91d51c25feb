// SPDX-License-Identifier: Apache-2.0
// What rtnetlink says, as values: the same form for dumps and for notifications.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/model/ip_address.h"

namespace shunt {

struct LinkMessage {
    bool deleted = false;
    unsigned ifindex = 0;
    std::string name;
    std::string kind;            // "veth", "bond", "vxlan", …; empty for hardware
    std::uint32_t mtu = 0;       // bytes, without the link-layer header
    unsigned flags = 0;          // IFF_*
    std::uint16_t hardware = 0;  // ARPHRD_*
    std::string mac;             // octets; empty without a link layer
    unsigned master = 0;         // ifindex; 0: none
    bool peer_is_here = false;   // the lower or other end is in this network namespace
    bool operator==(const LinkMessage&) const = default;
};

struct AddressMessage {
    bool deleted = false;
    unsigned ifindex = 0;
    IpAddress address;  // the device's own, not a point-to-point peer's
    std::uint8_t prefix = 0;
    std::uint8_t scope = 0;   // RT_SCOPE_*
    std::uint32_t flags = 0;  // IFA_F_*
    bool operator==(const AddressMessage&) const = default;
};

struct RouteHop {
    unsigned ifindex = 0;
    std::optional<IpAddress> gateway;  // nullopt: on the link. May be of the other family (RFC 5549)
    bool operator==(const RouteHop&) const = default;
};

struct RouteMessage {
    bool deleted = false;
    bool replaced = false;  // took the place of a route of which nothing is said
    bool cloned = false;    // an exception for one destination (PMTU, redirect), not a route
    std::uint8_t type = 0;  // RTN_*
    IpAddress destination;
    std::uint8_t prefix = 0;
    std::vector<RouteHop> hops;         // empty for blackholes and the like
    std::uint32_t next_hop_object = 0;  // its id; 0: none. The kernel spells the hops out too, by default
};

struct RuleMessage {
    std::optional<IpAddress> source;       // only if the rule names exactly one address
    std::optional<IpAddress> destination;  // likewise
    bool inverted = false;                 // matches everything but these
};

struct NextHopMessage {};

struct NeighbourMessage {
    bool deleted = false;
    unsigned ifindex = 0;
    IpAddress address;
    std::string mac;             // octets; empty while unresolved
    std::uint16_t state = 0;     // NUD_*
    std::uint8_t flags = 0;      // NTF_*
    std::uint32_t extended = 0;  // NTF_EXT_*
    std::uint8_t protocol = 0;   // who made it
};

using NetworkMessage =
    std::variant<LinkMessage, AddressMessage, RouteMessage, RuleMessage, NextHopMessage, NeighbourMessage>;

// nullopt for what is none of these: other types and families, bridge FDB entries, proxies.
std::optional<NetworkMessage> parse_message(const nlmsghdr& message);

template <typename T>
std::optional<T> parse_as(const nlmsghdr& message) {
    std::optional<NetworkMessage> parsed = parse_message(message);
    if (!parsed || !std::holds_alternative<T>(*parsed)) {
        return std::nullopt;
    }
    return std::get<T>(*std::move(parsed));
}

}  // namespace shunt
