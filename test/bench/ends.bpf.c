// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The ends of the path: what arrives is counted and dropped, or sent back, so that flows see a reply. While flows are
// opened every packet is inspected; while the clock runs they are only counted.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "test/bench/wire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct end_settings);
} settings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct end_counts);
} counts SEC(".maps");

static __always_inline __u16 fold(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static __always_inline void inspect_udp(struct xdp_md *ctx, const struct udphdr *udp, __u32 offset, __u32 addresses,
                                        struct end_counts *count)
{
    __be32 datagram[(DATAGRAM_SIZE + 3) / 4] = {};
    __u32 pseudo = fold(addresses) + udp->len + bpf_htons(17);

    if (udp->len != bpf_htons(DATAGRAM_SIZE) || !udp->check ||
        bpf_xdp_load_bytes(ctx, offset, datagram, DATAGRAM_SIZE) ||
        fold(bpf_csum_diff(0, 0, datagram, sizeof(datagram), pseudo)) != 0xffff)
        count->wrong_checksums++;
}

static __always_inline void inspect_source(const struct end_settings *set, const __be32 *source, int words,
                                           struct end_counts *count)
{
    for (int i = 0; i < words; i++) {
        if ((source[i] & set->source_mask[i]) != set->source[i]) {
            count->wrong_sources++;
            return;
        }
    }
}

static __always_inline void reflect(struct ethhdr *eth, __be32 *addresses, int words, struct udphdr *udp)
{
    __be16 port = udp->source;
    __u8 mac[ETH_ALEN];

    __builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
    __builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
    __builtin_memcpy(eth->h_source, mac, ETH_ALEN);
    for (int i = 0; i < words; i++) {
        __be32 word = addresses[i];

        addresses[i] = addresses[words + i];
        addresses[words + i] = word;
    }
    udp->source = udp->dest;
    udp->dest = port;
}

SEC("xdp")
int end(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    struct iphdr *ip4 = (void *)(eth + 1);
    struct ipv6hdr *ip6 = (void *)(eth + 1);
    struct udphdr *udp;
    struct end_settings *set;
    struct end_counts *count;
    __u32 zero = 0;

    if ((void *)(ip4 + 1) + sizeof(*udp) > data_end)
        return XDP_PASS;
    if (eth->h_proto == bpf_htons(ETH_P_IP) && ip4->protocol == 17) {
        udp = (void *)(ip4 + 1);
    } else if (eth->h_proto == bpf_htons(ETH_P_IPV6) && ip6->nexthdr == 17) {
        udp = (void *)(ip6 + 1);
        if ((void *)(udp + 1) > data_end)
            return XDP_PASS;
    } else {
        return XDP_PASS;
    }
    set = bpf_map_lookup_elem(&settings, &zero);
    count = bpf_map_lookup_elem(&counts, &zero);
    if (!set || !count || (set->by_source ? udp->source : udp->dest) != set->port)
        return XDP_PASS;
    count->packets++;
    if (!set->inspect)
        return XDP_DROP;

    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        udp = (void *)(ip4 + 1);
        if (fold(bpf_csum_diff(0, 0, (__be32 *)ip4, sizeof(*ip4), 0)) != 0xffff)
            count->wrong_checksums++;
        inspect_udp(ctx, udp, sizeof(*eth) + sizeof(*ip4), bpf_csum_diff(0, 0, &ip4->saddr, 8, 0), count);
        inspect_source(set, &ip4->saddr, 1, count);
        if (set->watched && ip4->daddr == set->watched && !count->watched_ns)
            count->watched_ns = bpf_ktime_get_ns();
        if (set->reflect)
            reflect(eth, &ip4->saddr, 1, udp);
    } else {
        if ((void *)(ip6 + 1) + sizeof(*udp) > data_end)  // again: the verifier lost sight of it
            return XDP_PASS;
        udp = (void *)(ip6 + 1);
        inspect_udp(ctx, udp, sizeof(*eth) + sizeof(*ip6), bpf_csum_diff(0, 0, (__be32 *)&ip6->saddr, 32, 0), count);
        inspect_source(set, (__be32 *)&ip6->saddr, 4, count);
        if (set->reflect)
            reflect(eth, (__be32 *)&ip6->saddr, 4, udp);
    }
    // Not XDP_TX: on a veth that wakes only a peer with an XDP program, not one that polls for GRO alone (tried).
    return set->reflect ? bpf_redirect(ctx->ingress_ifindex, 0) : XDP_DROP;
}
