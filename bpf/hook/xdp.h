// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// XDP: from its context to a packet, from a verdict to its action.
#pragma once

#include "bpf/count.h"
#include "bpf/hook/mark.h"
#include "bpf/packet/packet.h"

static __always_inline struct packet xdp_packet(struct xdp_md *ctx)
{
    return (struct packet){
        .ctx = ctx,
        .data = (void *)(long)ctx->data,
        .data_end = (void *)(long)ctx->data_end,
        .hook = HOOK_XDP,
        .ifindex = ctx->ingress_ifindex,
    };
}

static __always_inline int xdp_hand_to_tc(struct xdp_md *ctx)
{
    __u32 *mark;

    if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark))) {
        count(DROP_HANDOVER_FAILED);
        return XDP_DROP;
    }
    mark = (void *)(long)ctx->data_meta;
    if ((void *)(mark + 1) > (void *)(long)ctx->data) {
        count(DROP_HANDOVER_FAILED);
        return XDP_DROP;
    }
    *mark = XDP_TO_TC_MARK;
    count(HANDED_TO_TC);
    return XDP_PASS;
}

int xdp_slow(struct xdp_md *ctx);

// Pinned: without a reference from user space the kernel empties such a map.
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct xdp_md *));
} xdp_slow_path SEC(".maps") = {.values = {[0] = xdp_slow}};

static __always_inline int xdp_to_slow_path(struct xdp_md *ctx)
{
    bpf_tail_call(ctx, &xdp_slow_path, 0);
    count(PASSED_NO_SLOW_PATH);
    return XDP_PASS;
}

static __always_inline int xdp_finish(const struct packet *packet, enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_SEND_BACK:
        return XDP_TX;
    case VERDICT_SEND:
        return bpf_redirect(packet->out_ifindex, 0);
    case VERDICT_DROP:
        return XDP_DROP;
    case VERDICT_SLOW:
        return xdp_to_slow_path(packet->ctx);
    case VERDICT_HAND_TO_TC:
        return xdp_hand_to_tc(packet->ctx);
    default:
        return XDP_PASS;
    }
}
