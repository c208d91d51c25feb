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

// The MAC addresses: destination, source.
static __always_inline long bytes_store_macs(const struct packet *packet, void *macs)
{
    return packet->hook == HOOK_XDP ? bpf_xdp_store_bytes(packet->ctx, 0, macs, 2 * ETH_ALEN)
                                    : bpf_skb_store_bytes(packet->ctx, 0, macs, 2 * ETH_ALEN, 0);
}

static __always_inline long bytes_resize(const struct packet *packet, __u32 size)
{
    return packet->hook == HOOK_XDP ? bpf_xdp_adjust_tail(packet->ctx, (int)size - (int)frame_length(packet))
                                    : bpf_skb_change_tail(packet->ctx, size, 0);
}
