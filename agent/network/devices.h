// SPDX-License-Identifier: Apache-2.0
// External devices: every one by which a packet to a client may leave. By default those with one of the node's
// addresses, with a default route in any routing table (secondary ENIs of EKS stand only in tables of their own),
// and tunnels that are up. lo never is; neither is a veth whose other end is in the same namespace, unless it has a
// node address: it leads nowhere. Other devices count when they are down, too: hooks stay on them.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/ip_address.h"
#include "agent/network/message.h"
#include "agent/support/result.h"

namespace shunt {

struct ExternalDevice {
    unsigned ifindex = 0;
    std::string name;
    std::string kind;             // rtnetlink's: "veth", "bond", "vxlan", …; empty for hardware
    std::string driver;           // ethtool's; empty if the device has none
    std::uint32_t mtu = 0;        // bytes, without the link-layer header
    bool up = false;              // administratively
    bool is_tunnel = false;       // tc only
    bool has_link_layer = false;  // frames begin with an Ethernet header
    // Source addresses for SNAT: a node address on the device, else its first global address that is neither
    // deprecated nor tentative; secondary and temporary ones (RFC 8981) come last.
    std::optional<IpAddress> ipv4;
    std::optional<IpAddress> ipv6;
    std::optional<bool> xdp_native;  // the driver runs XDP programs; nullopt: the kernel can't say (before 6.3)
    // XDP programs of other devices can send by this one. Many drivers say so only while a program is attached to
    // them: discover again after attaching.
    bool xdp_transmit = false;

    bool operator==(const ExternalDevice&) const = default;
};

struct DeviceSelection {
    std::vector<IpAddress> node_addresses;  // the Node's InternalIPs
    std::vector<std::string> names;         // `--device`; not empty: exactly these, and no rule
};

// In order of ifindex. Names of `--device` that don't exist are missing from the result: they may come later.
Result<std::vector<ExternalDevice>> discover(const DeviceSelection& selection);

// Of all devices, lo among them, but no loopback and no link-local ones, and none that is not the node's yet (tentative,
// duplicate).
Result<std::set<IpAddress>> device_addresses();

bool is_loopback_or_link_local(const IpAddress& address);

bool is_tunnel_kind(std::string_view kind);

// The pure part of discover(). `default_routes`: ifindexes of their hops.
bool is_external(const LinkMessage& link, std::span<const AddressMessage> addresses,
                 const std::set<unsigned>& default_routes, const DeviceSelection& selection);
std::optional<IpAddress> source_address(unsigned ifindex, address_family family,
                                        std::span<const AddressMessage> addresses,
                                        std::span<const IpAddress> node_addresses);

}  // namespace shunt
