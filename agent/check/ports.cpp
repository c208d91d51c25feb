// SPDX-License-Identifier: Apache-2.0
// Ports that the host hands out itself, and those that shunt needs for itself.
#include <algorithm>
#include <sstream>

#include "agent/check/check.h"

namespace shunt {
namespace {

constexpr const char* kLocalPorts = "/proc/sys/net/ipv4/ip_local_port_range";
constexpr const char* kReservedPorts = "/proc/sys/net/ipv4/ip_local_reserved_ports";

bool is_reserved(const std::vector<PortRange>& reserved, PortRange range) {
    return std::ranges::any_of(reserved, [range](PortRange r) { return r.low <= range.low && r.high >= range.high; });
}

}  // namespace

Findings check_ports(const Machine& machine, PortRange snat_ports) {
    Findings found;
    PortRange local;
    std::istringstream words(machine.text(kLocalPorts).value_or(""));
    const auto reserved = parse_port_list(machine.text(kReservedPorts).value_or(""));
    if (!(words >> local.low >> local.high) || !reserved) {
        return {{Level::warning, "ports", std::string(kLocalPorts) + " and " + kReservedPorts + " are not readable", "mount /proc"}};
    }
    const auto judge = [&](PortRange range, const std::string& what, const std::string& danger) {
        if (overlap(range, local) && !is_reserved(*reserved, range)) {
            found.push_back({Level::warning, "ports",
                             what + ' ' + text_of(range) + " overlap net.ipv4.ip_local_port_range " + text_of(local) + ": " + danger,
                             "sysctl -w net.ipv4.ip_local_reserved_ports=" + format_port_list(merge_port_range(*reserved, range))});
        }
    };
    judge(snat_ports, "SNAT ports", "a connection of the host's own may use one (an agent that may write sysctls reserves them)");
    judge(kNodePorts, "NodePorts", "replies to a connection of the host's own may look like requests to a Service");
    if (found.empty()) {
        found.push_back({Level::ok, "ports", "SNAT ports " + text_of(snat_ports) + " and NodePorts are not the host's to hand out", ""});
    }
    return found;
}

}  // namespace shunt
