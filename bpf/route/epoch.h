// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// When a recipe's next hop is asked for again: after the agent raised the epoch, because routes, addresses or
// neighbours moved; once a second if the agent is silent; with every packet as long as the neighbour is unknown.
#pragma once

#include "bpf/route/next_hop.h"

static __always_inline __u32 tick_now(void)
{
    return bpf_ktime_get_coarse_ns() >> TICK_SHIFT;
}

static __always_inline const struct control *control_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline int agent_is_silent(const struct control *control, __u32 now)
{
    // Signed: the agent's clock is finer than the coarse one here and may be a tick ahead.
    return (__s32)(now - control->heartbeat) > HEARTBEAT_STALE_TICKS;
}

// Asks the FIB once more for an entry that needs a next hop. The stores are not atomic: a packet that another CPU sends in
// the same instant may carry half of the old and half of the new MAC address, and is retransmitted.
static __noinline enum verdict route_refresh(void *ctx, struct slow_path *slow, struct recipe *recipe)
{
    const struct control *control = control_get();
    struct route *route = &slow->route;
    __u16 epoch = control ? control->route_epoch : 0;
    enum verdict verdict;

    address_copy(route->saddr, slow->found.saddr);
    address_copy(route->daddr, slow->found.daddr);
    route->sport = recipe->sport;
    route->dport = recipe->dport;
    route->protocol = slow->request_key.protocol;
    route->by_device = recipe->kind != RECIPE_REMOTE_REQUEST;
    route->ifindex = route->by_device ? recipe->ifindex : slow->ifindex;
    __builtin_memcpy(route->macs, recipe->macs, sizeof(route->macs));
    verdict = route_ask(ctx, slow);
    if (verdict != VERDICT_CONTINUE)
        return verdict;
    route_into_recipe(recipe, route, epoch);
    count(ROUTE_REFRESHED);
    return VERDICT_CONTINUE;
}
