// SPDX-License-Identifier: Apache-2.0
// How the two entries of a flow belong together; bpf/flow/key.h says the same for the programs.
#pragma once

#include <cstring>

#include "maps/flow.h"

namespace shunt {

template <typename Key>
bool is_request(const Key& key) {
    return key.hook == FLOW_INGRESS;
}

// The key of the other direction's entry: the inverse of the translated tuple.
template <typename Flow>
auto partner_key(const Flow& flow) {
    auto partner = flow.key;
    std::memcpy(&partner.saddr, &flow.daddr, sizeof(partner.saddr));
    std::memcpy(&partner.daddr, &flow.saddr, sizeof(partner.daddr));
    partner.sport = flow.recipe.dport;
    partner.dport = flow.recipe.sport;
    partner.hook = flow_partner_hook(flow.key.hook, flow.recipe.next_hop);
    return partner;
}

}  // namespace shunt
