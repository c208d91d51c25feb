// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The flow tables' upkeep by a timer in a pinned map: it needs no agent, and ends with the map's pin. A new
// build's upkeep_start puts its own function in the place of the old one.
#include "bpf/flow/upkeep.h"
#include "maps/flow_to_forget.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define CLOCK_MONOTONIC 1
#define UPKEEP_EVERY_NS 50000000ull
#define UPKEEP_GROWING_EVERY_NS 1000000ull

// 1: a table grows.
static __noinline int upkeep(void)
{
    __u32 zero = 0;
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);
    int growing;

    if (!slow)
        return 0;
    growing = flow_upkeep(IPV4, slow);
    return flow_upkeep(IPV6, slow) | growing;
}

static int on_timer(void *map, __u32 *key, struct flow_timer *timer)
{
    bpf_timer_start(&timer->timer, upkeep() ? UPKEEP_GROWING_EVERY_NS : UPKEEP_EVERY_NS, 0);
    return 0;
}

// Run once by the loader (a test run: programs that may sleep cannot hold a lock). Returns 0, or a positive errno.
SEC("xdp")
int upkeep_start(struct xdp_md *ctx)
{
    __u32 zero = 0;
    struct flow_timer *timer = bpf_map_lookup_elem(&flow_timer, &zero);
    long error;

    if (!timer)
        return 2;  // ENOENT
    bpf_timer_init(&timer->timer, &flow_timer, CLOCK_MONOTONIC);  // refused if it is there already
    error = bpf_timer_set_callback(&timer->timer, on_timer);
    if (!error)
        error = bpf_timer_start(&timer->timer, UPKEEP_EVERY_NS, 0);
    return -error;
}

// What one call of the timer does. Returns 1 while a table grows.
SEC("xdp")
int upkeep_once(struct xdp_md *ctx)
{
    return upkeep();
}

// Does the flow of slow->victim.key go to the endpoint of slow->request?
static __always_inline int flow_leads_there(const enum address_family family, struct slow_path *slow)
{
    struct flow_words key = flow_words_of(family, &slow->victim.key);
    struct flow_found flow = flow_find(family, &key, slow->victim.key.hook);

    if (!flow.recipe)
        return 0;
    flow_widen(family, &slow->found, flow.recipe);
    for (int i = 0; i < 4; i++)
        if (slow->found.daddr[i] != slow->request.daddr[i])
            return 0;
    return slow->found.recipe.dport == slow->request.recipe.dport;
}

// Run by the agent with a struct flow_to_forget as the packet. Returns 1 if the flow was there, and is gone.
SEC("xdp")
int flow_forget(struct xdp_md *ctx)
{
    __u32 zero = 0;
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);
    const struct flow_to_forget *wanted = (void *)(long)ctx->data;
    int removed = 0;

    if (!slow || (void *)(wanted + 1) > (void *)(long)ctx->data_end)
        return 0;
    slow->now = tick_now();
    slow->victim.key = wanted->key;
    address_copy(slow->request.daddr, wanted->daddr);
    slow->request.recipe.dport = wanted->dport;
    if (wanted->family == IPV4)
        removed = flow_leads_there(IPV4, slow) && flow_remove4(slow, FLOW_ALWAYS);
    else
        removed = flow_leads_there(IPV6, slow) && flow_remove6(slow, FLOW_ALWAYS);
    if (removed)
        count(FLOW_ENDPOINT_GONE);
    return removed;
}
