// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Random traffic for the programs under test: in each repetition of a test run another packet is made of the same
// buffer, and handed to the program by a tail call.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "test/bpf/stress.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct stress_actors actors = {};
const volatile __u32 snat_port_min = 0, snat_port_count = 1;

__u32 clients_mask = 0;  // how many there are, less one; changed between runs
__u32 only_syns = 0;

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} xdp_target SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(__u32));
} tc_target SEC(".maps");

struct tuple {
    __be32 saddr[4], daddr[4];
    __be16 sport, dport;
    __u8 flags;
    __u8 from_node;  // it comes from another node, else from the client, or its reply goes to it
};

// `number` is added to the last octet.
static __always_inline void take_address(__be32 *to, const volatile struct stress_address *from, int is_ipv6,
                                         __u32 number)
{
    if (!is_ipv6) {
        to[0] = from->ipv4 + bpf_htonl(number);
        return;
    }
    for (int i = 0; i < 4; i++)
        to[i] = from->ipv6[i];
    to[3] += bpf_htonl(number);
}

static __always_inline __be16 take_client(__be32 *to, int is_ipv6, __u32 random)
{
    __u32 client = random & clients_mask;

    take_address(to, &actors.client, is_ipv6, client % STRESS_CLIENT_ADDRESSES);
    return bpf_htons(STRESS_CLIENT_PORT + client / STRESS_CLIENT_ADDRESSES);
}

static __always_inline void to_frontend(struct tuple *tuple, int is_ipv6, __u32 random)
{
    __u8 chance = random >> 24;

    tuple->sport = take_client(tuple->saddr, is_ipv6, random);
    tuple->dport = bpf_htons(STRESS_PORT);
    tuple->flags = only_syns || chance < 128 ? SYN : chance < 176 ? ACK : chance < 216 ? PSH | ACK : chance < 236 ? FIN | ACK : RST;
}

static __always_inline __u8 reply_flags(__u32 random)
{
    __u8 chance = random >> 24;

    return chance < 150 ? SYN | ACK : chance < 230 ? ACK : chance < 246 ? FIN | ACK : RST;
}

static __always_inline void at_ingress(struct tuple *tuple, int is_ipv6)
{
    __u32 what = bpf_get_prandom_u32(), random = bpf_get_prandom_u32();

    if (!only_syns && what % 4 == 0) {
        tuple->from_node = 1;
        take_address(tuple->saddr, &actors.remote_pod, is_ipv6, random % STRESS_REMOTE_PODS);
        take_address(tuple->daddr, &actors.node, is_ipv6, 0);
        tuple->sport = bpf_htons(STRESS_POD_PORT);
        tuple->dport = bpf_htons(snat_port_min + (what >> 8) % snat_port_count);
        tuple->flags = reply_flags(random);
    } else {
        take_address(tuple->daddr, what & 4 ? &actors.local_vip : &actors.remote_vip, is_ipv6, 0);
        to_frontend(tuple, is_ipv6, random);
    }
}

static __always_inline void at_egress(struct tuple *tuple, int is_ipv6)
{
    __u32 random = bpf_get_prandom_u32();

    take_address(tuple->saddr, &actors.local_pod, is_ipv6, bpf_get_prandom_u32() % STRESS_LOCAL_PODS);
    tuple->sport = bpf_htons(STRESS_POD_PORT);
    tuple->dport = take_client(tuple->daddr, is_ipv6, random);
    tuple->flags = reply_flags(random);
}

static __always_inline __u16 checksum(const __u16 *words, const __u32 count, __u32 sum)
{
    for (__u32 i = 0; i < count; i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static __always_inline void copy_mac(__u8 *to, const volatile __u8 *from)
{
    for (int i = 0; i < ETH_ALEN; i++)
        to[i] = from[i];
}

static __always_inline void put_ethernet(struct ethhdr *ethernet, const struct tuple *tuple, int is_egress, int is_ipv6)
{
    copy_mac(ethernet->h_dest, is_egress ? actors.router_mac : actors.node_mac);
    copy_mac(ethernet->h_source, is_egress          ? actors.node_mac
                                 : tuple->from_node ? actors.other_node_mac
                                                    : actors.router_mac);
    ethernet->h_proto = is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
}

// `sum`: of the addresses of the pseudo-header. Payload stands behind the header: addresses, ports.
static __always_inline void put_tcp(struct tcphdr *tcp, const struct tuple *tuple, const __u32 address_words)
{
    __be32 *payload = (void *)(tcp + 1);
    __u16 *words = (void *)tcp;
    const __u32 length = sizeof(*tcp) + 8 * address_words + 4;
    __u32 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(length);

    for (__u32 i = 0; i < sizeof(*tcp) / 2; i++)
        words[i] = 0;
    tcp->source = tuple->sport;
    tcp->dest = tuple->dport;
    tcp->seq = bpf_htonl(1000);
    words[6] = bpf_htons(sizeof(*tcp) / 4 << 12 | tuple->flags);
    tcp->window = bpf_htons(65535);
    for (__u32 i = 0; i < address_words; i++) {
        payload[i] = tuple->saddr[i];
        payload[address_words + i] = tuple->daddr[i];
    }
    words[(sizeof(*tcp) + 8 * address_words) / 2] = tuple->sport;
    words[(sizeof(*tcp) + 8 * address_words) / 2 + 1] = tuple->dport;
    // The addresses once more, for the pseudo-header.
    for (__u32 i = 0; i < 2 * address_words; i++)
        sum += (payload[i] & 0xffff) + (payload[i] >> 16);
    tcp->check = checksum(words, length / 2, sum);
}

static __always_inline void put4(void *data, void *data_end, int is_egress)
{
    struct iphdr *ip = data + ETH_HLEN;
    __u32 *words = (void *)ip;
    struct tuple tuple = {};

    if (data + STRESS_FRAME4_SIZE > data_end)
        return;
    is_egress ? at_egress(&tuple, 0) : at_ingress(&tuple, 0);
    put_ethernet(data, &tuple, is_egress, 0);
    words[0] = bpf_htonl(0x45000000u | (STRESS_FRAME4_SIZE - ETH_HLEN));
    words[1] = bpf_htonl(0x00014000);
    words[2] = bpf_htonl(61 << 24 | IPPROTO_TCP << 16);
    ip->saddr = tuple.saddr[0];
    ip->daddr = tuple.daddr[0];
    ip->check = checksum((void *)ip, sizeof(*ip) / 2, 0);
    put_tcp((void *)(ip + 1), &tuple, 1);
}

static __always_inline void put6(void *data, void *data_end, int is_egress)
{
    struct ipv6hdr *ip = data + ETH_HLEN;
    __u32 *words = (void *)ip;
    struct tuple tuple = {};

    if (data + STRESS_FRAME6_SIZE > data_end)
        return;
    is_egress ? at_egress(&tuple, 1) : at_ingress(&tuple, 1);
    put_ethernet(data, &tuple, is_egress, 1);
    words[0] = bpf_htonl(0x60000000u);
    words[1] = bpf_htonl((STRESS_FRAME6_SIZE - ETH_HLEN - sizeof(*ip)) << 16 | IPPROTO_TCP << 8 | 61);
    for (int i = 0; i < 4; i++) {
        words[2 + i] = tuple.saddr[i];
        words[6 + i] = tuple.daddr[i];
    }
    put_tcp((void *)(ip + 1), &tuple, 4);
}

SEC("xdp.frags")
int stress_xdp4(struct xdp_md *ctx)
{
    put4((void *)(long)ctx->data, (void *)(long)ctx->data_end, 0);
    bpf_tail_call(ctx, &xdp_target, 0);
    return XDP_ABORTED;
}

SEC("xdp.frags")
int stress_xdp6(struct xdp_md *ctx)
{
    put6((void *)(long)ctx->data, (void *)(long)ctx->data_end, 0);
    bpf_tail_call(ctx, &xdp_target, 0);
    return XDP_ABORTED;
}

SEC("tc")
int stress_tc4(struct __sk_buff *skb)
{
    put4((void *)(long)skb->data, (void *)(long)skb->data_end, 1);
    bpf_tail_call(skb, &tc_target, 0);
    return TC_ACT_STOLEN;
}

SEC("tc")
int stress_tc6(struct __sk_buff *skb)
{
    put6((void *)(long)skb->data, (void *)(long)skb->data_end, 1);
    bpf_tail_call(skb, &tc_target, 0);
    return TC_ACT_STOLEN;
}
