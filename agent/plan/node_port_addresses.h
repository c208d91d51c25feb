// SPDX-License-Identifier: Apache-2.0
// `--nodeport-addresses`: on which of its addresses a node serves NodePorts.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "agent/model/ip_address.h"
#include "agent/model/ip_prefix.h"

namespace shunt {

struct NodePortAddresses {
    enum class Kind {
        primary,   // the Node's InternalIPs
        all,       // every address of the node's devices
        prefixes,  // those of them that are in one of `prefixes`; a family that none is of is closed
    };
    Kind kind = Kind::primary;
    std::vector<IpPrefix> prefixes;

    std::string to_string() const;  // as the option has it
    bool operator==(const NodePortAddresses&) const = default;
};

// Each address once. `on_devices`: loopback and link-local addresses left out.
std::vector<IpAddress> choose_node_port_addresses(const NodePortAddresses& wanted, const std::vector<IpAddress>& internal_ips,
                                                  const std::set<IpAddress>& on_devices);

}  // namespace shunt
