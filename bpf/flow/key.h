// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Keys of flow entries, read from a packet or derived from the entry of the other direction.
//
// The slow path speaks of struct flow6_key and struct flow6 for both families: an IPv4 address stands in the
// first word of an address, the rest is 0. The table works with keys as words: 2 or 5 of them.
#pragma once

#include "bpf/maps.h"
#include "bpf/packet/packet.h"

#define FLOW_KEY_WORDS(family) ((family) == IPV4 ? sizeof(struct flow4_key) / 8 : sizeof(struct flow6_key) / 8)

static __always_inline void address_copy(__be32 *to, const __be32 *from)
{
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
    to[3] = from[3];
}

// Of the packet, which must have been parsed as this family, for an entry of this hook.
static __always_inline struct flow_words flow_words_of_packet(const enum address_family family,
                                                              const struct packet *packet, enum flow_hook hook)
{
    struct flow_words words = {};
    __u64 rest = packet->sport | (__u64)packet->dport << 16 | (__u64)packet->protocol << 32 | (__u64)hook << 40;

    if (family == IPV4) {
        struct iphdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) <= packet->data_end)
            words.word[0] = ip->saddr | (__u64)ip->daddr << 32;
        words.word[1] = rest;
    } else {
        struct ipv6hdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) <= packet->data_end)
            for (int i = 0; i < 4; i++)
                words.word[i] = ((__be32 *)&ip->saddr)[2 * i] | (__u64)((__be32 *)&ip->saddr)[2 * i + 1] << 32;
        words.word[4] = rest;
    }
    return words;
}

static __always_inline struct flow_words flow_words_of(const enum address_family family, const struct flow6_key *wide)
{
    struct flow_words words = {};

    if (family == IPV4) {
        struct flow4_key *key = (struct flow4_key *)&words;

        key->saddr = wide->saddr[0];
        key->daddr = wide->daddr[0];
        key->sport = wide->sport;
        key->dport = wide->dport;
        key->protocol = wide->protocol;
        key->hook = wide->hook;
    } else {
        words = *(const struct flow_words *)wide;
    }
    return words;
}

static __always_inline struct flow6_key flow_key_of_words(const enum address_family family,
                                                          const struct flow_words *words)
{
    const struct flow4_key *key = (const struct flow4_key *)words;

    if (family == IPV6)
        return *(const struct flow6_key *)words;
    return (struct flow6_key){
        .saddr = {key->saddr},
        .daddr = {key->daddr},
        .sport = key->sport,
        .dport = key->dport,
        .protocol = key->protocol,
        .hook = key->hook,
    };
}

// `recipe` is the head of a struct flow4 or flow6, by family. The key of `wide` is not filled.
static __always_inline void flow_widen(const enum address_family family, struct flow6 *wide, const struct recipe *recipe)
{
    wide->recipe = *recipe;
    if (family == IPV4) {
        const struct flow4 *flow = (const struct flow4 *)recipe;

        address_copy(wide->saddr, (__be32[4]){flow->saddr});
        address_copy(wide->daddr, (__be32[4]){flow->daddr});
    } else {
        const struct flow6 *flow = (const struct flow6 *)recipe;

        address_copy(wide->saddr, flow->saddr);
        address_copy(wide->daddr, flow->daddr);
    }
}

// The other direction's key is the inverse of the translated tuple, in both directions.
static __always_inline void flow_partner_key(struct flow6_key *partner, const struct flow6_key *key,
                                             const struct flow6 *flow)
{
    address_copy(partner->saddr, flow->daddr);
    address_copy(partner->daddr, flow->saddr);
    partner->sport = flow->recipe.dport;
    partner->dport = flow->recipe.sport;
    partner->protocol = key->protocol;
    partner->hook = flow_partner_hook(key->hook, flow->recipe.next_hop);
    partner->pad = 0;
}
