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

static __always_inline int macs_are_zero(const __u8 *macs)
{
    const __u16 *halves = (const __u16 *)macs;

    return !(halves[0] | halves[1] | halves[2]);
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

static __always_inline long fib_ask(void *ctx, struct slow_path *slow, struct bpf_fib_lookup *fib, __u32 ifindex,
                                    __u32 flags)
{
    struct route *route = &slow->route;

    fib->l4_protocol = route->protocol;
    fib->sport = route->sport;
    fib->dport = route->dport;
    fib->tot_len = 1;  // not 0: the kernel then tells the route's MTU
    fib->ifindex = ifindex;
    if (slow->family == IPV4) {
        fib->family = ADDRESS_FAMILY_INET;
        fib->ipv4_src = route->saddr[0];
        fib->ipv4_dst = route->daddr[0];
    } else {
        fib->family = ADDRESS_FAMILY_INET6;
        __builtin_memcpy(fib->ipv6_src, route->saddr, sizeof(fib->ipv6_src));
        __builtin_memcpy(fib->ipv6_dst, route->daddr, sizeof(fib->ipv6_dst));
    }
    return bpf_fib_lookup(ctx, fib, sizeof(*fib), flags);
}

// The address to send from: the one the route prefers where the kernel tells it, else the device's.
static __always_inline void route_take_source(struct slow_path *slow, const struct bpf_fib_lookup *fib,
                                              const struct device *device)
{
    struct route *route = &slow->route;

    if (slow->family == IPV4) {
        if (fib_lookup_source_flag)
            route->saddr[0] = fib->ipv4_src;
        else if (device)
            __builtin_memcpy(route->saddr, device->ipv4, sizeof(device->ipv4));
    } else {
        if (fib_lookup_source_flag)
            __builtin_memcpy(route->saddr, fib->ipv6_src, ADDRESS_SIZE);
        else if (device)
            __builtin_memcpy(route->saddr, device->ipv6, ADDRESS_SIZE);
    }
}

// Asks for slow->route. VERDICT_CONTINUE: answered, though perhaps without the neighbour's MAC address
// (NEXT_HOP_UNRESOLVED). `ctx` is the program's context, whatever its type.
static __noinline enum verdict route_ask(void *ctx, struct slow_path *slow)
{
    struct route *route = &slow->route;
    int choose_source = address_is_zero(route->saddr);
    struct bpf_fib_lookup fib = {};
    struct device *device;
    long result;

    result = fib_ask(ctx, slow, &fib, route->ifindex,
                     (route->by_device ? BPF_FIB_LOOKUP_OUTPUT : 0) | (choose_source ? fib_lookup_source_flag : 0));
    if (route->by_device &&
        (result < 0 || result == BPF_FIB_LKUP_RET_NOT_FWDED || fib.ifindex != route->ifindex)) {
        // No route to the client by the device it came by (IPv6 then answers with another device): back to whoever
        // passed it on. Failing that, or if the device is gone (result < 0), as the routes say.
        device = bpf_map_lookup_elem(&devices, &route->ifindex);
        if (result >= 0 && device && !macs_are_zero(route->macs)) {
            route->next_hop = NEXT_HOP_RESOLVED | device->transmit;
            route->mtu = device->mtu;
            return VERDICT_CONTINUE;
        }
        result = fib_ask(ctx, slow, &fib, slow->ifindex, 0);
    }
    if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_NO_NEIGH)
        return route_refuse(result);

    route->ifindex = fib.ifindex;
    device = bpf_map_lookup_elem(&devices, &route->ifindex);
    if (choose_source) {
        route_take_source(slow, &fib, device);
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
    __builtin_memcpy(route->macs, fib.dmac, ETH_ALEN);
    __builtin_memcpy(route->macs + ETH_ALEN, fib.smac, ETH_ALEN);
    return VERDICT_CONTINUE;
}
