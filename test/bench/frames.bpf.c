// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The generator, run by BPF_PROG_TEST_RUN on live frames. Frames are recycled with whatever was done to them on their
// way, so every header field is written anew in every frame.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "test/bench/wire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct frame_plan plan = {};
__u64 next_frame = 0;

static __always_inline __u16 fold(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static __always_inline __u32 address_sum(__be32 address)
{
    return (address & 0xffff) + (address >> 16);
}

// A permutation of the flows, far from the order of their numbers.
static __always_inline __u32 flow_of(__u32 number)
{
    __u32 flow = number & plan.flow_mask;

    if (!plan.shift)
        return flow;
    flow = (flow * 0x9e3779b1u) & plan.flow_mask;
    flow ^= flow >> plan.shift;
    return (flow * 0x85ebca6bu) & plan.flow_mask;
}

static __always_inline void write_udp(struct udphdr *udp, __be16 sport, __u32 saddr_sum)
{
    __u16 check = ~fold(plan.l4_sum + saddr_sum + sport);

    udp->source = sport;
    udp->dest = plan.dport;
    udp->len = bpf_htons(DATAGRAM_SIZE);
    udp->check = check ? check : 0xffff;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    struct iphdr *ip4 = (void *)(eth + 1);
    struct ipv6hdr *ip6 = (void *)(eth + 1);
    struct udphdr *udp = plan.is_ipv6 ? (void *)(ip6 + 1) : (void *)(ip4 + 1);
    __u32 flow = flow_of(next_frame++);
    __be16 sport = bpf_htons(plan.first_sport + (flow & 0x7fff));
    __be32 address = bpf_htonl(bpf_ntohl(plan.saddr[plan.is_ipv6 ? 3 : 0]) + (flow >> 15));

    if ((void *)udp + DATAGRAM_SIZE > data_end || (void *)(ip4 + 1) > data_end)
        return XDP_ABORTED;
    for (int i = 0; i < 3; i++)
        ((__u32 *)data)[i] = ((const volatile __u32 *)plan.macs)[i];
    if (!plan.is_ipv6) {
        eth->h_proto = bpf_htons(ETH_P_IP);
        *(__be32 *)ip4 = bpf_htonl(0x45000000 + sizeof(*ip4) + DATAGRAM_SIZE);
        *(__be32 *)&ip4->id = bpf_htonl(0x4000);  // don't fragment
        ip4->ttl = 64;
        ip4->protocol = 17;
        ip4->check = ~fold(plan.ip_sum + address_sum(address));
        ip4->saddr = address;
        ip4->daddr = plan.daddr[0];
    } else {
        if ((void *)(ip6 + 1) > data_end)
            return XDP_ABORTED;
        eth->h_proto = bpf_htons(ETH_P_IPV6);
        *(__be32 *)ip6 = bpf_htonl(0x60000000);
        *(__be32 *)&ip6->payload_len = bpf_htonl(DATAGRAM_SIZE << 16 | 17 << 8 | 64);
        for (int i = 0; i < 3; i++)
            ip6->saddr.in6_u.u6_addr32[i] = plan.saddr[i];
        ip6->saddr.in6_u.u6_addr32[3] = address;
        for (int i = 0; i < 4; i++)
            ip6->daddr.in6_u.u6_addr32[i] = plan.daddr[i];
    }
    write_udp(udp, sport, address_sum(address));
    return bpf_redirect(plan.ifindex, 0);
}
