// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Keys of flow entries, read from a packet or derived from the entry of the other direction.
//
// The slow path speaks of struct flow6_key and struct flow6 for both families: an IPv4 address stands in the
// first word of an address, the rest is 0. flow/table.h narrows them on the way into flows4.
#pragma once

#include "bpf/packet/packet.h"

static __always_inline void address_copy(__be32 *to, const __be32 *from)
{
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
    to[3] = from[3];
}

static __always_inline enum flow_hook flow_hook(enum hook hook)
{
    return hook == HOOK_TC_EGRESS ? FLOW_EGRESS : FLOW_INGRESS;
}

// The packet must have been parsed as IPv4.
static __always_inline struct flow4_key flow4_key_of(const struct packet *packet)
{
    struct iphdr *ip = packet->data + L3_OFFSET;
    struct flow4_key key = {
        .sport = packet->sport,
        .dport = packet->dport,
        .protocol = packet->protocol,
        .hook = flow_hook(packet->hook),
    };

    if ((void *)(ip + 1) <= packet->data_end) {
        key.saddr = ip->saddr;
        key.daddr = ip->daddr;
    }
    return key;
}

// The packet must have been parsed as IPv6.
static __always_inline void flow6_key_of(struct flow6_key *key, const struct packet *packet)
{
    struct ipv6hdr *ip = packet->data + L3_OFFSET;

    *key = (struct flow6_key){
        .sport = packet->sport,
        .dport = packet->dport,
        .protocol = packet->protocol,
        .hook = flow_hook(packet->hook),
    };
    if ((void *)(ip + 1) <= packet->data_end) {
        address_copy(key->saddr, ip->saddr.in6_u.u6_addr32);
        address_copy(key->daddr, ip->daddr.in6_u.u6_addr32);
    }
}

static __always_inline void flow_key_widen(struct flow6_key *wide, const struct flow4_key *key)
{
    *wide = (struct flow6_key){
        .saddr = {key->saddr},
        .daddr = {key->daddr},
        .sport = key->sport,
        .dport = key->dport,
        .protocol = key->protocol,
        .hook = key->hook,
    };
}

static __always_inline struct flow4_key flow_key_narrow(const struct flow6_key *wide)
{
    return (struct flow4_key){
        .saddr = wide->saddr[0],
        .daddr = wide->daddr[0],
        .sport = wide->sport,
        .dport = wide->dport,
        .protocol = wide->protocol,
        .hook = wide->hook,
    };
}

// `recipe` is the head of a struct flow4 or flow6, by family.
static __always_inline void flow_widen(enum address_family family, struct flow6 *wide, const struct recipe *recipe)
{
    if (family == IPV4) {
        const struct flow4 *flow = (const struct flow4 *)recipe;

        *wide = (struct flow6){.recipe = flow->recipe, .saddr = {flow->saddr}, .daddr = {flow->daddr}};
    } else {
        *wide = *(const struct flow6 *)recipe;
    }
}

// The other direction's key is the inverse of the translated tuple, in both directions.
static __always_inline void flow_partner_key(struct flow6_key *partner, __u8 protocol, const struct flow6 *flow)
{
    address_copy(partner->saddr, flow->daddr);
    address_copy(partner->daddr, flow->saddr);
    partner->sport = flow->recipe.dport;
    partner->dport = flow->recipe.sport;
    partner->protocol = protocol;
    partner->hook = flow->recipe.kind == RECIPE_LOCAL_REQUEST ? FLOW_EGRESS : FLOW_INGRESS;
    partner->pad = 0;
}
