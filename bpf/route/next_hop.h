// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where a packet leaves and to which MAC address: the FIB's answer, kept in the flow's recipe.
#pragma once

#include "bpf/count.h"
#include "bpf/packet/packet.h"

#define ADDRESS_FAMILY_INET 2    // AF_INET
#define ADDRESS_FAMILY_INET6 10  // AF_INET6

// BPF_FIB_LOOKUP_SRC where the kernel has it (6.7), else 0: then the outgoing device's address is taken.
const volatile __u32 fib_lookup_source_flag = 0;

static __always_inline int address_is_zero(const __be32 *address)
{
    return !(address[0] | address[1] | address[2] | address[3]);
}

// The answer to a look-up that found no way out.
static __always_inline enum verdict route_refuse(long result)
{
    switch (result) {
    case BPF_FIB_LKUP_RET_BLACKHOLE:
        return drop(DROP_ROUTE_BLACKHOLE);
    case BPF_FIB_LKUP_RET_UNREACHABLE:
        return drop(DROP_ROUTE_UNREACHABLE);
    case BPF_FIB_LKUP_RET_PROHIBIT:
        return drop(DROP_ROUTE_PROHIBIT);
    case BPF_FIB_LKUP_RET_NOT_FWDED:
        return drop(DROP_ROUTE_NONE);
    case BPF_FIB_LKUP_RET_FWD_DISABLED:
        return pass(PASSED_ROUTE_FORWARDING_OFF);
    case BPF_FIB_LKUP_RET_UNSUPP_LWT:
        return drop(DROP_ROUTE_UNSUPPORTED);
    case BPF_FIB_LKUP_RET_NO_SRC_ADDR:
        return drop(DROP_NO_SOURCE_ADDRESS);
    default:
        return drop(DROP_ROUTE_ERROR);
    }
}

// Asks for slow->route. VERDICT_CONTINUE: answered, though perhaps without the neighbour's MAC address
// (NEXT_HOP_UNRESOLVED). `ctx` is the program's context, whatever its type.
static __noinline enum verdict route_ask(void *ctx, struct slow_path *slow)
{
    struct route *route = &slow->route;
    int choose_source = address_is_zero(route->saddr);
    struct bpf_fib_lookup fib = {
        .family = slow->family == IPV4 ? ADDRESS_FAMILY_INET : ADDRESS_FAMILY_INET6,
        .l4_protocol = route->protocol,
        .sport = route->sport,
        .dport = route->dport,
        .tot_len = 1,  // not 0: the kernel then tells the route's MTU
        .ifindex = route->ifindex,
    };
    struct device *device;
    __u32 flags = 0;
    long result;

    if (slow->family == IPV4) {
        fib.ipv4_src = route->saddr[0];
        fib.ipv4_dst = route->daddr[0];
    } else {
        __builtin_memcpy(fib.ipv6_src, route->saddr, sizeof(fib.ipv6_src));
        __builtin_memcpy(fib.ipv6_dst, route->daddr, sizeof(fib.ipv6_dst));
    }
    if (route->by_device)
        flags |= BPF_FIB_LOOKUP_OUTPUT;
    if (choose_source)
        flags |= fib_lookup_source_flag;

    result = bpf_fib_lookup(ctx, &fib, sizeof(fib), flags);
    if (result == BPF_FIB_LKUP_RET_NOT_FWDED && route->by_device) {
        // No way to the client by the device it came by: then as the routes say.
        fib.tot_len = 1;
        fib.ifindex = slow->ifindex;
        result = bpf_fib_lookup(ctx, &fib, sizeof(fib), flags & ~BPF_FIB_LOOKUP_OUTPUT);
    }
    if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
        return route_refuse(result);

    route->ifindex = fib.ifindex;
    device = bpf_map_lookup_elem(&devices, &route->ifindex);
    if (choose_source) {
        if (fib_lookup_source_flag) {
            if (slow->family == IPV4)
                route->saddr[0] = fib.ipv4_src;
            else
                __builtin_memcpy(route->saddr, fib.ipv6_src, ADDRESS_SIZE);
        } else if (device) {
            if (slow->family == IPV4)
                __builtin_memcpy(route->saddr, device->ipv4, sizeof(device->ipv4));
            else
                __builtin_memcpy(route->saddr, device->ipv6, sizeof(device->ipv6));
        }
        if (address_is_zero(route->saddr))
            return drop(DROP_NO_SOURCE_ADDRESS);
    }
    if (result == BPF_FIB_LKUP_RET_NO_NEIGH) {
        route->next_hop = NEXT_HOP_UNRESOLVED;
        route->mtu = device ? device->mtu : 0;
        return VERDICT_CONTINUE;
    }
    route->mtu = fib.mtu_result;
    route->next_hop = NEXT_HOP_RESOLVED | (device ? device->transmit : TRANSMIT_BY_TC);
    __builtin_memcpy(route->dmac, fib.dmac, sizeof(route->dmac));
    __builtin_memcpy(route->smac, fib.smac, sizeof(route->smac));
    return VERDICT_CONTINUE;
}

static __always_inline void route_into_recipe(struct recipe *recipe, const struct route *route, __u16 epoch)
{
    recipe->ifindex = route->ifindex;
    recipe->mtu = route->mtu;
    __builtin_memcpy(recipe->dmac, route->dmac, sizeof(recipe->dmac));
    __builtin_memcpy(recipe->smac, route->smac, sizeof(recipe->smac));
    recipe->next_hop = route->next_hop;
    recipe->epoch = epoch;
}
