// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Is the packet's destination one of ours?
#pragma once

#include "bpf/maps.h"
#include "bpf/packet/packet.h"

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
