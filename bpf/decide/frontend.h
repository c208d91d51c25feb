// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Is the packet's destination one of ours?
#pragma once

#include "bpf/maps.h"
#include "bpf/packet/packet.h"

// Of a packet that was parsed as this family: is its destination one of ours?
static __always_inline int frontend_of_packet(const struct packet *packet, const enum address_family family)
{
    struct frontend_key key = {.family = family, .protocol = packet->protocol, .port = bpf_ntohs(packet->dport)};

    if (family == IPV4) {
        struct iphdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) > packet->data_end)
            return 0;
        __builtin_memcpy(key.address, &ip->daddr, sizeof(ip->daddr));
    } else {
        struct ipv6hdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) > packet->data_end)
            return 0;
        __builtin_memcpy(key.address, &ip->daddr, ADDRESS_SIZE);
    }
    return bpf_map_lookup_elem(&frontends, &key) != 0;
}

// Of the packet whose key is slow->request_key. 0: not ours.
static __always_inline struct frontend *frontend_find(struct slow_path *slow)
{
    struct frontend_key *key = &slow->frontend_key;

    key->family = slow->family;
    key->protocol = slow->request_key.protocol;
    __builtin_memcpy(key->address, slow->request_key.daddr, ADDRESS_SIZE);
    key->port = bpf_ntohs(slow->request_key.dport);
    key->pad = 0;
    return bpf_map_lookup_elem(&frontends, key);
}
