// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The least that forwarding to another node can cost: one constant translation of addresses and port, TTL, checksums,
// MAC addresses, redirect; no table, no state. The yardstick for shunt. IPv4, TCP and UDP.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
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

static __always_inline int translate(struct xdp_md *ctx, const volatile struct translation *new, int is_request)
{
    void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    struct iphdr *ip = (void *)(eth + 1);
    struct udphdr *udp = (void *)(ip + 1);
    struct tcphdr *tcp = (void *)(ip + 1);
    __be16 *port = is_request ? &udp->dest : &udp->source;
    __u32 addresses;

    if ((void *)(udp + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->ttl <= 1 ||
        ip->frag_off & bpf_htons(0x3fff))
        return XDP_PASS;
    if (is_request ? ip->daddr != new->match_daddr : ip->saddr != new->match_saddr)
        return XDP_PASS;
    if (*port != new->match_port)
        return XDP_PASS;
    addresses = difference(ip->saddr, new->saddr) + difference(ip->daddr, new->daddr);
    if (ip->protocol == 17) {
        if (udp->check) {
            udp->check = adjusted(udp->check, addresses + (__u16)~*port + new->new_port);
            if (!udp->check)
                udp->check = 0xffff;
        }
    } else if (ip->protocol == 6) {
        if ((void *)(tcp + 1) > data_end)
            return XDP_PASS;
        tcp->check = adjusted(tcp->check, addresses + (__u16)~*port + new->new_port);
    } else {
        return XDP_PASS;
    }
    *port = new->new_port;
    ip->check = adjusted(ip->check, addresses + (__u16)~bpf_htons(0x0100));
    ip->ttl--;
    ip->saddr = new->saddr;
    ip->daddr = new->daddr;
    for (int i = 0; i < 12; i++)
        ((__u8 *)data)[i] = new->macs[i];
    return bpf_redirect(new->ifindex, 0);
}

SEC("xdp")
int request(struct xdp_md *ctx)
{
    return translate(ctx, &to_backend, 1);
}

SEC("xdp")
int reply(struct xdp_md *ctx)
{
    return translate(ctx, &to_client, 0);
}
