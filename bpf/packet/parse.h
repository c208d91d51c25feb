// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// From the Ethernet header to the ports. Parsing decides one thing only: whether the packet can be one of ours.
// VERDICT_CONTINUE: it can, and the packet's fields are filled. VERDICT_ADDRESS: likewise, but without ports. Anything else is the
// final verdict.
#pragma once

#include "bpf/count.h"
#include "bpf/packet/icmp.h"
#include "bpf/packet/packet.h"

#define IPV4_FRAGMENT_BITS 0x3fff  // more fragments, and the offset (RFC 791)

// Headers beyond the first buffer: tc can pull them in. A frame that ends there is broken; the stack says how.
static __always_inline enum verdict parse_too_short(const struct packet *packet)
{
    if (packet->hook == HOOK_XDP && frame_length(packet) > first_buffer_length(packet))
        return VERDICT_HAND_TO_TC;
    return pass(PASSED_MALFORMED);
}

static __always_inline enum verdict parse_tcp(struct packet *packet)
{
    struct tcphdr *tcp = packet->data + packet->l4_offset;

    if ((void *)(tcp + 1) > packet->data_end)
        return parse_too_short(packet);
    packet->sport = tcp->source;
    packet->dport = tcp->dest;
    packet->flags = ((__u8 *)tcp)[13];
    if (packet->segment_size)
        packet->l3_length = packet->l4_offset - L3_OFFSET + tcp->doff * 4 + packet->segment_size;
    return VERDICT_CONTINUE;
}

static __always_inline enum verdict parse_udp(struct packet *packet)
{
    struct udphdr *udp = packet->data + packet->l4_offset;

    if ((void *)(udp + 1) > packet->data_end)
        return parse_too_short(packet);
    packet->sport = udp->source;
    packet->dport = udp->dest;
    packet->flags = FLOW_FLAG_ACK;
    if (packet->segment_size)
        packet->l3_length = packet->l4_offset - L3_OFFSET + sizeof(*udp) + packet->segment_size;
    return VERDICT_CONTINUE;
}

static __always_inline enum verdict parse_l4(struct packet *packet, __u32 header_length)
{
    __u32 least = header_length + (packet->protocol == TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr));

    // GSO packets may say any length, or none (BIG TCP).
    if (!packet->segment_size) {
        if (unlikely(packet->l3_length < least))
            return pass(PASSED_MALFORMED);
        if (unlikely(L3_OFFSET + packet->l3_length > first_buffer_length(packet)) &&
            L3_OFFSET + packet->l3_length > frame_length(packet))
            return pass(PASSED_MALFORMED);
    }
    packet->l4_offset = L3_OFFSET + header_length;
    if (packet->protocol == TCP)
        return parse_tcp(packet);
    return parse_udp(packet);
}

static __always_inline enum verdict parse_icmp(struct packet *packet, __u32 header_length)
{
    __u8 *type = packet->data + L3_OFFSET + header_length;

    if ((void *)(type + 1) > packet->data_end)
        return VERDICT_PASS;
    if (packet->family == IPV4 ? *type == ICMP_TYPE_UNREACHABLE || *type == ICMP_TYPE_TIME_EXCEEDED ||
                                     *type == ICMP_TYPE_PARAMETER_PROBLEM
                               : *type <= ICMP6_TYPE_LAST_ERROR)
        return pass(PASSED_ICMP_ERROR);
    if (packet->family == IPV6 && *type >= ICMP6_TYPE_NEIGHBOUR_FIRST && *type <= ICMP6_TYPE_NEIGHBOUR_LAST)
        return VERDICT_PASS;
    packet->l4_offset = L3_OFFSET + header_length;
    packet->is_echo = *type == (packet->family == IPV4 ? ICMP_TYPE_ECHO : ICMP6_TYPE_ECHO);
    return VERDICT_ADDRESS;
}

static __always_inline enum verdict parse_ipv4(struct packet *packet)
{
    struct iphdr *ip = packet->data + L3_OFFSET;
    __u32 header_length;

    if ((void *)(ip + 1) > packet->data_end)
        return parse_too_short(packet);
    header_length = ip->ihl * 4;
    if (ip->version != 4 || header_length < sizeof(*ip))
        return pass(PASSED_MALFORMED);
    packet->family = IPV4;
    packet->protocol = ip->protocol;
    packet->hop_limit = ip->ttl;
    packet->l3_length = bpf_ntohs(ip->tot_len);
    if (likely(ip->protocol == TCP || ip->protocol == UDP)) {
        if (unlikely(ip->frag_off & bpf_htons(IPV4_FRAGMENT_BITS)))
            return pass(PASSED_FRAGMENT);
        return parse_l4(packet, header_length);
    }
    if (ip->protocol == IPPROTO_ICMP && !(ip->frag_off & bpf_htons(IPV4_FRAGMENT_BITS)))
        return parse_icmp(packet, header_length);
    return VERDICT_ADDRESS;
}

static __always_inline enum verdict parse_ipv6(struct packet *packet)
{
    struct ipv6hdr *ip = packet->data + L3_OFFSET;

    if ((void *)(ip + 1) > packet->data_end)
        return parse_too_short(packet);
    if (ip->version != 6)
        return pass(PASSED_MALFORMED);
    packet->family = IPV6;
    packet->protocol = ip->nexthdr;
    packet->hop_limit = ip->hop_limit;
    packet->l3_length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
    switch (ip->nexthdr) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
        return parse_l4(packet, sizeof(*ip));
    case IPPROTO_ICMPV6:
        return parse_icmp(packet, sizeof(*ip));
    case IPPROTO_FRAGMENT:
        return pass(PASSED_FRAGMENT);
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
        return pass(PASSED_EXTENSION_HEADER);
    default:
        return VERDICT_ADDRESS;
    }
}
