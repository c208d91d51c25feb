// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is filled into a recipe: the differences that the checksums take, and the next hop.
#pragma once

#include "bpf/maps.h"
#include "bpf/packet/checksum.h"

static __always_inline void route_into_recipe(struct recipe *recipe, const struct route *route, __u16 epoch)
{
    recipe->ifindex = route->ifindex;
    recipe->mtu = route->mtu;
    __builtin_memcpy(recipe->macs, route->macs, sizeof(recipe->macs));
    recipe->next_hop = route->next_hop;
    recipe->epoch = epoch;
}

// `sent_out`: with one hop less.
static __always_inline void recipe_set_differences(enum address_family family, const struct flow6_key *key,
                                                   struct flow6 *flow, int sent_out)
{
    int words = family == IPV4 ? 1 : 4;
    __u32 addresses = checksum_difference32(key->saddr, flow->saddr, words) +
                      checksum_difference32(key->daddr, flow->daddr, words);
    __u32 ports = checksum_difference16(key->sport, flow->recipe.sport) +
                  checksum_difference16(key->dport, flow->recipe.dport);

    flow->recipe.l4_delta = checksum_fold(addresses + ports);
    flow->recipe.address_delta = checksum_fold(addresses + (sent_out && family == IPV4 ? TTL_DIFFERENCE : 0));
}
