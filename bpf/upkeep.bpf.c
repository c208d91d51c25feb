// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The flow tables' upkeep by a timer in a pinned map: it needs no agent, and ends with the map's pin. A new
// build's upkeep_start puts its own function in the place of the old one.
#include "bpf/flow/upkeep.h"

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
