// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Writing a recipe into a packet: addresses, ports and checksums; for packets sent out also the hop limit and, if
// known, the MAC addresses. Twice: bytes in XDP, helpers in tc, where the kernel keeps checksum state of its own.
// 0, or -1 if the packet could not be rewritten (and may be half rewritten).
#pragma once

#include "bpf/packet/checksum.h"
#include "bpf/packet/packet.h"

#define ETHER_TYPE_OFFSET 12
#define TCP_CHECK_OFFSET offsetof(struct tcphdr, check)
#define UDP_CHECK_OFFSET offsetof(struct udphdr, check)

#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif

// The ports stand first in both headers.
struct ports {
    __be16 source, dest;
};

static __always_inline int rewrite_xdp_l4(const struct packet *packet, const struct recipe *recipe)
{
    struct ports *ports = packet->data + packet->l4_offset;

    if (packet->protocol == TCP) {
        struct tcphdr *tcp = (void *)ports;

        if ((void *)(tcp + 1) > packet->data_end)
            return -1;
        tcp->check = checksum_update(tcp->check, recipe->l4_delta);
    } else {
        struct udphdr *udp = (void *)ports;

        if ((void *)(udp + 1) > packet->data_end)
            return -1;
        if (udp->check) {  // 0: no checksum (RFC 768), and 0 must not come out of one
            udp->check = checksum_update(udp->check, recipe->l4_delta);
            if (!udp->check)
                udp->check = 0xffff;
        }
    }
    ports->source = recipe->sport;
    ports->dest = recipe->dport;
    return 0;
}

static __always_inline int rewrite_xdp(const struct packet *packet, const struct recipe *recipe,
                                       const enum address_family family, int sent_out)
{
    struct ethhdr *ethernet = packet->data;

    if (family == IPV4) {
        const struct flow4 *flow = (const struct flow4 *)recipe;
        struct iphdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) > packet->data_end)
            return -1;
        ip->saddr = flow->saddr;
        ip->daddr = flow->daddr;
        if (sent_out)
            ip->ttl -= 1;
        ip->check = checksum_update(ip->check, recipe->ip_delta);
    } else {
        const struct flow6 *flow = (const struct flow6 *)recipe;
        struct ipv6hdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) > packet->data_end)
            return -1;
        __builtin_memcpy(&ip->saddr, flow->saddr, ADDRESS_SIZE);
        __builtin_memcpy(&ip->daddr, flow->daddr, ADDRESS_SIZE);
        if (sent_out)
            ip->hop_limit -= 1;
    }
    if (sent_out) {
        __builtin_memcpy(ethernet->h_dest, recipe->dmac, ETH_ALEN);
        __builtin_memcpy(ethernet->h_source, recipe->smac, ETH_ALEN);
    }
    return rewrite_xdp_l4(packet, recipe);
}

// The kernel's notion of the checksum is adjusted too: a packet whose checksum is still to be computed
// (CHECKSUM_PARTIAL) takes the addresses' part only; for IPv6 the sum that a NIC made over the whole packet
// (CHECKSUM_COMPLETE) is mended by hand, because bpf_l4_csum_replace takes every packet for IPv4 there
// (kernel commit ead7f9b8de65 has the story).
static __always_inline int rewrite_tc_l4(const struct packet *packet, const struct recipe *recipe,
                                         const enum address_family family, int sent_out)
{
    struct __sk_buff *skb = packet->ctx;
    struct ports ports = {recipe->sport, recipe->dport};
    __u32 offset = packet->l4_offset;
    __u32 check = offset + (packet->protocol == TCP ? TCP_CHECK_OFFSET : UDP_CHECK_OFFSET);
    __u64 zero_is_none = packet->protocol == UDP ? BPF_F_MARK_MANGLED_0 : 0;

    if (bpf_l4_csum_replace(skb, check, 0, recipe->address_delta, BPF_F_PSEUDO_HDR | zero_is_none) ||
        bpf_l4_csum_replace(skb, check, 0, recipe->port_delta, zero_is_none))
        return -1;
    if (family == IPV6) {
        __u32 whole = recipe->address_delta + (sent_out ? (__u16)~bpf_htons(1) : 0);

        bpf_csum_update(skb, whole);  // refused for all but CHECKSUM_COMPLETE
    }
    return bpf_skb_store_bytes(skb, offset, &ports, sizeof(ports), 0) ? -1 : 0;
}

static __always_inline int rewrite_tc(const struct packet *packet, const struct recipe *recipe,
                                      const enum address_family family, int sent_out)
{
    struct __sk_buff *skb = packet->ctx;
    __u8 hop_limit = packet->hop_limit - 1;
    const void *addresses;
    __u32 addresses_offset, addresses_size, hop_limit_offset;

    if (family == IPV4) {
        addresses = &((const struct flow4 *)recipe)->saddr;
        addresses_size = 2 * sizeof(__be32);
        addresses_offset = L3_OFFSET + offsetof(struct iphdr, saddr);
        hop_limit_offset = L3_OFFSET + offsetof(struct iphdr, ttl);
        if (bpf_l3_csum_replace(skb, L3_OFFSET + offsetof(struct iphdr, check), 0, recipe->ip_delta, 0))
            return -1;
    } else {
        addresses = ((const struct flow6 *)recipe)->saddr;
        addresses_size = 2 * ADDRESS_SIZE;
        addresses_offset = L3_OFFSET + offsetof(struct ipv6hdr, saddr);
        hop_limit_offset = L3_OFFSET + offsetof(struct ipv6hdr, hop_limit);
    }
    if (rewrite_tc_l4(packet, recipe, family, sent_out) ||
        bpf_skb_store_bytes(skb, addresses_offset, addresses, addresses_size, 0))
        return -1;
    if (!sent_out)
        return 0;
    if (bpf_skb_store_bytes(skb, hop_limit_offset, &hop_limit, sizeof(hop_limit), 0))
        return -1;
    if (recipe->next_hop == NEXT_HOP_UNRESOLVED)
        return 0;
    // dmac and smac stand side by side, as in the Ethernet header.
    return bpf_skb_store_bytes(skb, 0, recipe->dmac, ETHER_TYPE_OFFSET, 0) ? -1 : 0;
}

static __always_inline int rewrite(const struct packet *packet, const struct recipe *recipe,
                                   const enum address_family family, int sent_out)
{
    if (packet->hook == HOOK_XDP)
        return rewrite_xdp(packet, recipe, family, sent_out);
    return rewrite_tc(packet, recipe, family, sent_out);
}
