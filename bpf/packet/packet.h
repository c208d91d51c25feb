// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A packet as the entry points hand it on: where it is, and what parsing found.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/hook/verdict.h"
#include "maps/flow.h"

#define L3_OFFSET ETH_HLEN
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

struct packet {
    void *ctx;              // struct xdp_md or struct __sk_buff, by `hook`
    void *data, *data_end;  // not valid after the packet was rewritten
    enum hook hook;
    __u32 ifindex;          // of the device it is seen on
    __u32 segment_size;     // L4 payload of one segment, if this is a GSO packet; else 0

    // By packet/parse.h; network order.
    enum address_family family;
    __u32 l4_offset;   // from `data`
    __u32 l3_length;   // IP header and payload; of one segment, if GSO
    __u8 protocol;     // enum l4_protocol
    __u8 flags;        // FLOW_FLAG_*
    __u8 hop_limit;    // TTL or hop limit
    __u8 is_echo;      // ICMP echo request
    __be16 sport, dport;

    // By flow/fast_path.h, for VERDICT_SEND.
    __u32 out_ifindex;
    __u32 resolve;     // 1: MAC addresses are not written, the kernel resolves the neighbour (tc only)
};

// Bytes of the whole frame; `data` to `data_end` may be only its first buffer.
static __always_inline __u32 frame_length(const struct packet *packet)
{
    if (packet->hook == HOOK_XDP)
        return bpf_xdp_get_buff_len(packet->ctx);
    return ((struct __sk_buff *)packet->ctx)->len;
}

static __always_inline __u32 first_buffer_length(const struct packet *packet)
{
    return packet->data_end - packet->data;
}
