// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Backends by hash and by address.
#pragma once

#include "bpf/decide/hash.h"
#include "bpf/maps.h"
#include "bpf/packet/packet.h"

// The client and the port it dials, not the address it dials: a client that turns to another node, or from a
// node's address to another one's, meets the same backend. With affinity the client alone, whatever it dials.
static __always_inline __u64 backend_hash(const __be32 *client, __be16 sport, __be16 dport, __u8 protocol, int has_affinity)
{
    __u64 hash = hash_word(0, (__u64)client[0] << 32 | client[1]);

    hash = hash_word(hash, (__u64)client[2] << 32 | client[3]);
    if (!has_affinity)
        hash = hash_word(hash, (__u64)sport << 32 | (__u32)dport << 16 | protocol);
    return hash_word(hash, 0);  // once more, so that the last word is mixed as well as the first
}

// A backend that does not do is passed over for the next in the client's own order. So many are looked at: with one in
// three that does, two clients in a million see none.
#define BACKEND_TRIES 32

static __always_inline __u64 backend_next_hash(__u64 hash, __u32 attempt)
{
    return attempt ? hash_word(hash, attempt) : hash;
}

// The id of the backend that the hash names in the slice, which must not be empty; 0: the slot is stale.
static __always_inline __u32 backend_in_slice(__u64 slice, __u64 hash)
{
    __u32 slot = SERVICE_SLICE_OFFSET(slice) + hash_below(hash, SERVICE_SLICE_SIZE(slice));
    __u32 index = slot / 2;
    struct slot_pair *pair = bpf_map_lookup_elem(&slots, &index);

    return pair ? pair->backend[slot % 2] : 0;
}

// `port` in network order.
static __always_inline int backend_is_at(const struct backend *backend, const __be32 *address, __be16 port)
{
    const __be32 *words = (const __be32 *)backend->address;

    return words[0] == address[0] && words[1] == address[1] && words[2] == address[2] && words[3] == address[3] &&
           backend->port == bpf_ntohs(port);
}
