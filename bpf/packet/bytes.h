// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A frame's bytes by the kernel's helpers, wherever they stand: for answers, which are rare and long. 0: done.
#pragma once

#include "bpf/packet/packet.h"

static __always_inline long bytes_load(const struct packet *packet, __u32 offset, void *to, __u32 size)
{
    return packet->hook == HOOK_XDP ? bpf_xdp_load_bytes(packet->ctx, offset, to, size)
                                    : bpf_skb_load_bytes(packet->ctx, offset, to, size);
}

// From the IP header on, which a device's own sum (CHECKSUM_COMPLETE) covers.
static __always_inline long bytes_store(const struct packet *packet, __u32 offset, void *from, __u32 size)
{
    return packet->hook == HOOK_XDP ? bpf_xdp_store_bytes(packet->ctx, offset, from, size)
                                    : bpf_skb_store_bytes(packet->ctx, offset, from, size, BPF_F_RECOMPUTE_CSUM);
}

static __always_inline long bytes_store_ethernet(const struct packet *packet, struct ethhdr *ethernet)
{
    return packet->hook == HOOK_XDP ? bpf_xdp_store_bytes(packet->ctx, 0, ethernet, sizeof(*ethernet))
                                    : bpf_skb_store_bytes(packet->ctx, 0, ethernet, sizeof(*ethernet), 0);
}

// To this size; all of the frame has to be written anew. XDP grows to the front: drivers promise room there only.
static __always_inline long bytes_resize(const struct packet *packet, __u32 size)
{
    int more;

    if (packet->hook != HOOK_XDP)
        return bpf_skb_change_tail(packet->ctx, size, 0);
    more = (int)size - (int)frame_length(packet);
    return more > 0 ? bpf_xdp_adjust_head(packet->ctx, -more) : bpf_xdp_adjust_tail(packet->ctx, more);
}
