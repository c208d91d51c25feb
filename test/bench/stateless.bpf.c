// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The least that forwarding to another node can cost: one constant translation of addresses and port, TTL, checksums,
// MAC addresses, redirect; no table, no state. By XDP, and by tc (for packets whose checksum is complete). The yardstick for
// shunt. IPv4, TCP and UDP. And the least that XDP in front of the stack can cost: a program that passes everything.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "test/bench/wire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct translation to_backend = {};
const volatile struct translation to_client = {};

static __always_inline __u32 difference(__be32 from, __be32 to)
{
    return (__u16)~from + (__u16)~(from >> 16) + (to & 0xffff) + (to >> 16);
}

static __always_inline __u16 adjusted(__u16 check, __u32 sum)
{
    sum += (__u16)~check;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

// 0: not one of ours. 1: it is to leave by new->ifindex.
static __always_inline int translate(void *data, void *data_end, const volatile struct translation *new, int is_request)
{
    struct ethhdr *eth = data;
    struct iphdr *ip = (void *)(eth + 1);
    struct udphdr *udp = (void *)(ip + 1);
    struct tcphdr *tcp = (void *)(ip + 1);
    __be16 *port = is_request ? &udp->dest : &udp->source;
    __u32 addresses;

    if ((void *)(udp + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->ttl <= 1 ||
        ip->frag_off & bpf_htons(0x3fff))
        return 0;
    if (is_request ? ip->daddr != new->match_daddr : ip->saddr != new->match_saddr)
        return 0;
    if (*port != new->match_port)
        return 0;
    addresses = difference(ip->saddr, new->saddr) + difference(ip->daddr, new->daddr);
    if (ip->protocol == 17) {
        if (udp->check) {
            udp->check = adjusted(udp->check, addresses + (__u16)~*port + new->new_port);
            if (!udp->check)
                udp->check = 0xffff;
        }
    } else if (ip->protocol == 6) {
        if ((void *)(tcp + 1) > data_end)
            return 0;
        tcp->check = adjusted(tcp->check, addresses + (__u16)~*port + new->new_port);
    } else {
        return 0;
    }
    *port = new->new_port;
    ip->check = adjusted(ip->check, addresses + (__u16)~bpf_htons(0x0100));
    ip->ttl--;
    ip->saddr = new->saddr;
    ip->daddr = new->daddr;
    for (int i = 0; i < 12; i++)
        ((__u8 *)data)[i] = new->macs[i];
    return 1;
}

static __always_inline int by_xdp(struct xdp_md *ctx, const volatile struct translation *new, int is_request)
{
    if (!translate((void *)(long)ctx->data, (void *)(long)ctx->data_end, new, is_request))
        return XDP_PASS;
    return bpf_redirect(new->ifindex, 0);
}

static __always_inline int by_tc(struct __sk_buff *skb, const volatile struct translation *new, int is_request)
{
    if (!translate((void *)(long)skb->data, (void *)(long)skb->data_end, new, is_request))
        return TC_ACT_UNSPEC;
    return bpf_redirect(new->ifindex, 0);
}

SEC("xdp")
int xdp_request(struct xdp_md *ctx)
{
    return by_xdp(ctx, &to_backend, 1);
}

SEC("xdp")
int xdp_reply(struct xdp_md *ctx)
{
    return by_xdp(ctx, &to_client, 0);
}

SEC("tc")
int tc_request(struct __sk_buff *skb)
{
    return by_tc(skb, &to_backend, 1);
}

SEC("tc")
int tc_reply(struct __sk_buff *skb)
{
    return by_tc(skb, &to_client, 0);
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
    return XDP_PASS;
}
