// SPDX-License-Identifier: Apache-2.0
// The chains of nf_tables, those that iptables-nft makes among them.
#pragma once

#include <string>
#include <vector>

#include "agent/support/result.h"

namespace shunt {

struct NetfilterChain {
    std::string table, name;
    bool filters_forwarded = false;  // a base chain of type filter at the forward hook
    bool drops_unless_told = false;  // its policy
};

// Of this network namespace. Takes CAP_NET_ADMIN.
Result<std::vector<NetfilterChain>> read_netfilter_chains();

}  // namespace shunt
