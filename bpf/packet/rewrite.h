// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Writing a recipe into a packet. Twice: bytes in XDP, helpers in tc, where the kernel keeps checksum state of its
// own. All return 0, or -1 if the packet could not be rewritten (and may be half rewritten).
#pragma once

#include "bpf/packet/checksum.h"
#include "bpf/packet/packet.h"

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
                                       const enum address_family family)
{
    if (family == IPV4) {
        const struct flow4 *flow = (const struct flow4 *)recipe;
        struct iphdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) > packet->data_end)
            return -1;
        ip->saddr = flow->saddr;
        ip->daddr = flow->daddr;
        ip->check = checksum_update(ip->check, recipe->address_delta);
    } else {
        const struct flow6 *flow = (const struct flow6 *)recipe;
        struct ipv6hdr *ip = packet->data + L3_OFFSET;

        if ((void *)(ip + 1) > packet->data_end)
            return -1;
        __builtin_memcpy(&ip->saddr, flow->saddr, ADDRESS_SIZE);
        __builtin_memcpy(&ip->daddr, flow->daddr, ADDRESS_SIZE);
    }
    return rewrite_xdp_l4(packet, recipe);
}

// The kernel's notion of the checksum is adjusted too: a packet whose checksum is still to be computed
// (CHECKSUM_PARTIAL) takes the addresses' part only; for IPv6 the sum that a NIC made over the whole packet
// (CHECKSUM_COMPLETE) is mended by hand, because bpf_l4_csum_replace takes every packet for IPv4 there
// (kernel commit ead7f9b8de65 has the story).
//
// An entry keeps the sum of both; an IPv4 one that is sent out has the TTL's share in the addresses'.
static __always_inline int rewrite_tc_l4(const struct packet *packet, const struct recipe *recipe,
                                         const enum address_family family, int sent_out)
{
    struct __sk_buff *skb = packet->ctx;
    struct ports ports = {recipe->sport, recipe->dport};
    __u32 offset = packet->l4_offset;
    __u32 check = offset + (packet->protocol == TCP ? TCP_CHECK_OFFSET : UDP_CHECK_OFFSET);
    __u64 zero_is_none = packet->protocol == UDP ? BPF_F_MARK_MANGLED_0 : 0;

    __u16 addresses = recipe->address_delta, port_part;

    if (family == IPV4 && sent_out)
        addresses = checksum_fold(addresses + (__u16)~TTL_DIFFERENCE);
    port_part = checksum_fold(recipe->l4_delta + (__u16)~addresses);
    if (bpf_l4_csum_replace(skb, check, 0, addresses, BPF_F_PSEUDO_HDR | zero_is_none) ||
        bpf_l4_csum_replace(skb, check, 0, port_part, zero_is_none))
        return -1;
    if (family == IPV6)
        bpf_csum_update(skb, addresses);  // refused for all but CHECKSUM_COMPLETE
    return bpf_skb_store_bytes(skb, offset, &ports, sizeof(ports), 0) ? -1 : 0;
}

static __always_inline int rewrite_tc(const struct packet *packet, const struct recipe *recipe,
                                      const enum address_family family, int sent_out)
{
    struct __sk_buff *skb = packet->ctx;
    const void *addresses;
    __u32 offset, size;

    if (family == IPV4) {
        addresses = &((const struct flow4 *)recipe)->saddr;
        size = 2 * sizeof(__be32);
        offset = L3_OFFSET + offsetof(struct iphdr, saddr);
        if (bpf_l3_csum_replace(skb, L3_OFFSET + offsetof(struct iphdr, check), 0, recipe->address_delta, 0))
            return -1;
    } else {
        addresses = ((const struct flow6 *)recipe)->saddr;
        size = 2 * ADDRESS_SIZE;
        offset = L3_OFFSET + offsetof(struct ipv6hdr, saddr);
    }
    if (rewrite_tc_l4(packet, recipe, family, sent_out))
        return -1;
    return bpf_skb_store_bytes(skb, offset, addresses, size, 0) ? -1 : 0;
}

// Addresses, ports and checksums; `sent_out`: the IPv4 header's checksum already for the hop limit that follows.
static __always_inline int rewrite(const struct packet *packet, const struct recipe *recipe,
                                   const enum address_family family, int sent_out)
{
    return packet->hook == HOOK_XDP ? rewrite_xdp(packet, recipe, family)
                                    : rewrite_tc(packet, recipe, family, sent_out);
}

// One hop less, for packets between the client and a backend on another node.
static __always_inline int rewrite_hop_limit(const struct packet *packet, const enum address_family family)
{
    __u32 offset = L3_OFFSET + (family == IPV4 ? offsetof(struct iphdr, ttl) : offsetof(struct ipv6hdr, hop_limit));
    __u8 less = packet->hop_limit - 1;

    if (packet->hook == HOOK_XDP) {
        __u8 *field = packet->data + offset;

        if ((void *)(field + 1) > packet->data_end)
            return -1;
        *field = less;
        return 0;
    }
    if (family == IPV6)
        bpf_csum_update(packet->ctx, (__u16)~bpf_htons(1));  // IPv6 has no header checksum that makes up for it
    return bpf_skb_store_bytes(packet->ctx, offset, &less, sizeof(less), 0) ? -1 : 0;
}

// The next hop's MAC addresses, unless tc lets the kernel resolve them.
static __always_inline int rewrite_macs(const struct packet *packet, const struct recipe *recipe)
{
    struct ethhdr *ethernet = packet->data;

    if (packet->hook == HOOK_XDP) {
        if ((void *)(ethernet + 1) > packet->data_end)
            return -1;
        __builtin_memcpy(ethernet, recipe->macs, sizeof(recipe->macs));
        return 0;
    }
    if (packet->resolve)
        return 0;
    return bpf_skb_store_bytes(packet->ctx, 0, recipe->macs, sizeof(recipe->macs), 0) ? -1 : 0;
}
