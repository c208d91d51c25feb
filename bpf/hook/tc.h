// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// tc: from its context to a packet, from a verdict to its action. "Go on" is TC_ACT_UNSPEC: OK would hide the
// programs behind ours.
#pragma once

#include <linux/pkt_cls.h>

#include "bpf/count.h"
#include "bpf/hook/mark.h"
#include "bpf/packet/packet.h"

#define TC_GO_ON TC_ACT_UNSPEC

// Ethernet, the longest IPv4 header, TCP without options.
#define TC_HEADERS_SIZE (ETH_HLEN + 60 + sizeof(struct tcphdr))

static __always_inline struct packet tc_packet(struct __sk_buff *skb, enum hook hook)
{
    // Headers may stand in fragments of the buffer: bring them to the front before calling the packet short.
    if (skb->data_end - skb->data < TC_HEADERS_SIZE && skb->data_end - skb->data < skb->len)
        bpf_skb_pull_data(skb, skb->len < TC_HEADERS_SIZE ? skb->len : TC_HEADERS_SIZE);
    return (struct packet){
        .ctx = skb,
        .data = (void *)(long)skb->data,
        .data_end = (void *)(long)skb->data_end,
        .hook = hook,
        .ifindex = skb->ifindex,
        .segment_size = skb->gso_size,
    };
}

static __always_inline int tc_is_from_xdp(struct __sk_buff *skb)
{
    __u32 *mark = (void *)(long)skb->data_meta;

    return (void *)(mark + 1) <= (void *)(long)skb->data && *mark == XDP_TO_TC_MARK;
}

int tc_slow_ingress(struct __sk_buff *skb);
int tc_slow_egress(struct __sk_buff *skb);

// Pinned: without a reference from user space the kernel empties such a map.
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 2);
    __uint(key_size, sizeof(__u32));
    __array(values, int(struct __sk_buff *));
} tc_slow_path SEC(".maps") = {.values = {[0] = tc_slow_ingress, [1] = tc_slow_egress}};

static __always_inline int tc_to_slow_path(const struct packet *packet)
{
    bpf_tail_call(packet->ctx, &tc_slow_path, packet->hook == HOOK_TC_EGRESS);
    count(PASSED_NO_SLOW_PATH);
    return TC_GO_ON;
}

static __always_inline int tc_finish(const struct packet *packet, enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_SEND:
        if (packet->resolve)
            return bpf_redirect_neigh(packet->out_ifindex, 0, 0, 0);
        return bpf_redirect(packet->out_ifindex, 0);
    case VERDICT_SLOW:
        return tc_to_slow_path(packet);
    case VERDICT_DROP:
        return TC_ACT_SHOT;
    default:
        return TC_GO_ON;
    }
}
