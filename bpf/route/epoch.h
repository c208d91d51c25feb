// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// When a recipe's next hop is asked for again: after the agent raised the epoch, because routes, addresses or
// neighbours moved; once a second if the agent is silent; with every packet as long as the neighbour is unknown.
#pragma once

#include "bpf/clock.h"
#include "bpf/flow/key.h"
#include "bpf/route/next_hop.h"

// Asks the FIB once more for the next hop of the entry in slow->found, whose key is slow->request_key. VERDICT_CONTINUE: the
// answer stands in slow->route and slow->epoch.
static __always_inline enum verdict route_refresh(void *ctx, struct slow_path *slow)
{
    const struct recipe *recipe = &slow->found.recipe;
    const struct control *control = control_get();
    struct route *route = &slow->route;
    __u16 epoch = control ? control->route_epoch : 0;
    enum verdict verdict;

    address_copy(route->saddr, slow->found.saddr);
    address_copy(route->daddr, slow->found.daddr);
    route->sport = recipe->sport;
    route->dport = recipe->dport;
    route->protocol = slow->request_key.protocol;
    route->by_device = recipe_kind_of(slow->request_key.hook, recipe->next_hop) != RECIPE_REMOTE_REQUEST;
    route->ifindex = route->by_device ? recipe->ifindex : slow->ifindex;
    __builtin_memcpy(route->macs, recipe->macs, sizeof(route->macs));
    verdict = route_ask(ctx, slow);
    if (verdict != VERDICT_CONTINUE)
        return verdict;
    slow->epoch = epoch;
    count(ROUTE_REFRESHED);
    return VERDICT_CONTINUE;
}
