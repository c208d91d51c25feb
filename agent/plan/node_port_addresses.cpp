// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/node_port_addresses.h"

#include <algorithm>

namespace shunt {

std::string NodePortAddresses::to_string() const {
    if (kind != Kind::prefixes) {
        return kind == Kind::all ? "all" : "primary";
    }
    std::string text;
    for (const IpPrefix& prefix : prefixes) {
        text += (text.empty() ? "" : ",") + prefix.to_string();
    }
    return text;
}

std::vector<IpAddress> choose_node_port_addresses(const NodePortAddresses& wanted, const std::vector<IpAddress>& internal_ips,
                                                  const std::set<IpAddress>& on_devices) {
    std::vector<IpAddress> chosen;
    if (wanted.kind == NodePortAddresses::Kind::primary) {
        for (const IpAddress& address : internal_ips) {
            if (std::ranges::find(chosen, address) == chosen.end()) {
                chosen.push_back(address);
            }
        }
        return chosen;
    }
    std::ranges::copy_if(on_devices, std::back_inserter(chosen), [&](const IpAddress& address) {
        return wanted.kind == NodePortAddresses::Kind::all ||
               std::ranges::any_of(wanted.prefixes, [&](const IpPrefix& prefix) { return prefix.contains(address); });
    });
    return chosen;
}

}  // namespace shunt
