// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which backend gets a new flow.
#pragma once

#include "bpf/decide/hash.h"
#include "bpf/maps.h"
#include "bpf/packet/packet.h"

// The client and the port it dials, not the address it dials: a client that turns to another node, or from a
// node's address to another one's, meets the same backend.
static __always_inline __u64 backend_hash(const struct flow6_key *key)
{
    __u64 hash = hash_word(0, (__u64)key->saddr[0] << 32 | key->saddr[1]);

    hash = hash_word(hash, (__u64)key->saddr[2] << 32 | key->saddr[3]);
    hash = hash_word(hash, (__u64)key->sport << 32 | (__u32)key->dport << 16 | key->protocol);
    return hash_word(hash, 0);  // once more, so that the last word is mixed as well as the first
}

// The backend's id; 0 if the service has no usable endpoint.
static __always_inline __u32 backend_pick(const struct service *service, const struct flow6_key *key)
{
    __u64 slice = *(const volatile __u64 *)&service->slice;
    __u32 size = SERVICE_SLICE_SIZE(slice);
    struct slot_pair *pair;
    __u32 slot, index;

    if (!size)
        return 0;
    slot = SERVICE_SLICE_OFFSET(slice) + hash_below(backend_hash(key), size);
    index = slot / 2;
    pair = bpf_map_lookup_elem(&slots, &index);
    return pair ? pair->backend[slot % 2] : 0;
}
