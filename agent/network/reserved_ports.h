// SPDX-License-Identifier: Apache-2.0
// Keeps the kernel's ephemeral ports out of shunt's SNAT range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/support/result.h"

namespace shunt {

struct PortRange {
    std::uint16_t low = 0;
    std::uint16_t high = 0;  // inclusive
    bool operator==(const PortRange&) const = default;
};

// Kubernetes' default --service-node-port-range.
inline constexpr PortRange kNodePorts{30000, 32767};

constexpr bool overlap(PortRange a, PortRange b) { return a.low <= b.high && b.low <= a.high; }
std::string text_of(PortRange range);  // "LOW-HIGH"

// The form of ip_local_reserved_ports: "8080,9000-9010", with a newline or empty. nullopt: not that form.
std::optional<std::vector<PortRange>> parse_port_list(std::string_view text);
std::string format_port_list(const std::vector<PortRange>& list);

// Sorted, disjoint, neighbouring ranges joined.
std::vector<PortRange> merge_port_range(std::vector<PortRange> list, PortRange range);

// If [low, high] overlaps net.ipv4.ip_local_port_range of the caller's network namespace (IPv6 uses the same), adds
// it to net.ipv4.ip_local_reserved_ports and keeps what stands there. Returns whether anything had to be written.
Result<bool> reserve_ports(std::uint16_t low, std::uint16_t high);

}  // namespace shunt
