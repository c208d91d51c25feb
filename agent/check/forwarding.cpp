// SPDX-License-Identifier: Apache-2.0
// Does the kernel let packets through: IP forwarding, and the filter by reverse path.
#include <algorithm>

#include "agent/check/check.h"

namespace shunt {
namespace {

constexpr long kStrict = 1;

std::string reverse_path_filter(const std::string& device) { return "/proc/sys/net/ipv4/conf/" + device + "/rp_filter"; }

}  // namespace

Findings check_forwarding(const Machine& machine, const std::vector<ExternalDevice>& devices) {
    Findings found;
    if (machine.number("/proc/sys/net/ipv4/ip_forward") != 1) {
        found.push_back({Level::failure, "forwarding", "IPv4 forwarding is off: nothing reaches a pod",
                         "sysctl -w net.ipv4.ip_forward=1"});
    }
    const bool has_ipv6 = std::ranges::any_of(devices, [](const ExternalDevice& device) { return device.ipv6.has_value(); });
    if (has_ipv6 && machine.number("/proc/sys/net/ipv6/conf/all/forwarding") != 1) {
        found.push_back({Level::failure, "forwarding", "IPv6 forwarding is off and a device has IPv6 addresses",
                         "sysctl -w net.ipv6.conf.all.forwarding=1"});
    }
    const long all = machine.number(reverse_path_filter("all")).value_or(0);
    for (const ExternalDevice& device : devices) {
        // The kernel takes the greater one, and 2 (loose) is greater than 1.
        if (std::max(all, machine.number(reverse_path_filter(device.name)).value_or(0)) == kStrict) {
            found.push_back({Level::warning, device.name,
                             "rp_filter is strict: requests that come in here and whose client is routed elsewhere are dropped before "
                             "they reach a pod of this node",
                             "sysctl -w net.ipv4.conf." + device.name + ".rp_filter=2"});
        }
    }
    if (found.empty()) {
        found.push_back({Level::ok, "forwarding", "IP forwarding is on, rp_filter is not strict", ""});
    }
    return found;
}

}  // namespace shunt
