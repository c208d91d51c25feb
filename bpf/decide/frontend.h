// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Is the packet's destination one of ours?
#pragma once

#include "bpf/clock.h"
#include "bpf/packet/packet.h"

// Is the key's address ours with all of its ports?
static __always_inline int frontend_has_address(struct frontend_key *key)
{
    const struct control *control = control_get();

    if (likely(!control || !control->vips))
        return 0;
    key->protocol = ANY_PROTOCOL;
    key->port = 0;
    return bpf_map_lookup_elem(&frontends, key) != 0;
}

// 0: not a whole header of this family, though it was parsed as such.
static __always_inline int frontend_key_of_packet(const struct packet *packet, const enum address_family family,
                                                  struct frontend_key *key)
{
    *key = (struct frontend_key){.family = family, .protocol = packet->protocol, .port = bpf_ntohs(packet->dport)};
    if (family == IPV4) {
        struct iphdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) > packet->data_end)
            return 0;
        __builtin_memcpy(key->address, &ip->daddr, sizeof(ip->daddr));
    } else {
        struct ipv6hdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) > packet->data_end)
            return 0;
        __builtin_memcpy(key->address, &ip->daddr, ADDRESS_SIZE);
    }
    return 1;
}

// Is the packet's destination one of ours?
static __always_inline int frontend_of_packet(const struct packet *packet, const enum address_family family)
{
    struct frontend_key key;

    return frontend_key_of_packet(packet, family, &key) &&
           (bpf_map_lookup_elem(&frontends, &key) || frontend_has_address(&key));
}

// The same of a packet without ports.
static __always_inline int frontend_address_of_packet(const struct packet *packet, const enum address_family family)
{
    struct frontend_key key;

    return frontend_key_of_packet(packet, family, &key) && frontend_has_address(&key);
}

// As the packet whose key is slow->request_key dials it. Keys of maps stand on the stack: no kernel before 6.2 lets a global
// function take them from its argument.
static __always_inline struct frontend_key frontend_key_of(const struct slow_path *slow)
{
    struct frontend_key key = {
        .family = slow->family,
        .protocol = slow->request_key.protocol,
        .port = bpf_ntohs(slow->request_key.dport),
    };

    __builtin_memcpy(key.address, slow->request_key.daddr, ADDRESS_SIZE);
    return key;
}
