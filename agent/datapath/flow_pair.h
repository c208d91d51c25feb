// SPDX-License-Identifier: Apache-2.0
// How the two entries of a flow belong together; bpf/flow/key.h says the same for the programs.
#pragma once

#include <cstring>

#include "maps/flow.h"

namespace shunt {

inline bool is_request(const recipe& recipe) {
    return recipe.kind == RECIPE_LOCAL_REQUEST || recipe.kind == RECIPE_REMOTE_REQUEST;
}

// The key of the other direction's entry: the inverse of the translated tuple.
template <typename Key, typename Flow>
Key partner_key(const Key& key, const Flow& flow) {
    Key partner{};
    std::memcpy(&partner.saddr, &flow.daddr, sizeof(partner.saddr));
    std::memcpy(&partner.daddr, &flow.saddr, sizeof(partner.daddr));
    partner.sport = flow.recipe.dport;
    partner.dport = flow.recipe.sport;
    partner.protocol = key.protocol;
    partner.hook = flow.recipe.kind == RECIPE_LOCAL_REQUEST ? FLOW_EGRESS : FLOW_INGRESS;
    return partner;
}

}  // namespace shunt
