// SPDX-License-Identifier: Apache-2.0
// The chains of nf_tables, those that iptables-nft makes among them, and those of the older iptables (xtables), which
// iptables-legacy makes.
#pragma once

#include <string>
#include <vector>

#include "agent/check/machine.h"
#include "agent/support/result.h"

namespace shunt {

struct NetfilterChain {
    std::string table, name;
    bool filters_forwarded = false;  // a base chain of type filter at the forward hook
    bool drops_unless_told = false;  // its policy
    bool is_legacy = false;          // of xtables
};

// Of this network namespace. Both take CAP_NET_ADMIN. The second one reads only tables that are there: asking for another
// would make the kernel load it.
Result<std::vector<NetfilterChain>> read_netfilter_chains();
Result<std::vector<NetfilterChain>> read_legacy_chains(const Machine& machine);

}  // namespace shunt
