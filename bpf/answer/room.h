// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where an answer is put together before it takes the packet's place, and what all answers begin with: the headers that lead
// back to where the packet came from, and checksums.
#pragma once

#include "bpf/clock.h"
#include "bpf/count.h"
#include "bpf/packet/bytes.h"
#include "bpf/packet/checksum.h"
#include "bpf/packet/icmp.h"

#define ANSWER_HOP_LIMIT 64
#define ANSWER_SIZE 1280  // from the IP header on: what every IPv6 link carries (RFC 8200)
#define ICMP_HEADER_SIZE 8
#define QUOTE_CHUNK 512  // bpf_csum_diff takes no more
#define QUOTE_CHUNKS 3

struct pseudo_header {
    __be32 saddr[4], daddr[4];
    __be32 length, protocol;  // for sums as good as RFC 9293's and RFC 8200's, whatever the family
};

// Not pinned; of this CPU.
struct answer_room {
    struct pseudo_header pseudo;
    union {
        struct tcphdr tcp;
        struct udphdr udp;
    } l4;  // of the packet
    __u16 quoted;       // bytes of the packet, from its IP header on, that are in `bytes`
    __u8 may_be_left;   // the packet's checksum may be the device's business; see refuse.h
    __u8 pad[3];
    struct ethhdr ethernet;
    __u8 bytes[sizeof(struct ipv6hdr) + ICMP_HEADER_SIZE + QUOTE_CHUNKS * QUOTE_CHUNK];  // from the IP header on
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct answer_room);
} answer_scratch SEC(".maps");

static __always_inline __u32 ip_header_size(enum address_family family)
{
    return family == IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static __always_inline __u16 sum_fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    return checksum_fold((sum & 0xffff) + (sum >> 16));
}

// The sum of the pseudo header is the same in both directions.
static __always_inline __u32 pseudo_sum(struct answer_room *room, const struct slow_path *slow, __u8 protocol,
                                        __u32 length)
{
    __builtin_memcpy(room->pseudo.saddr, slow->request_key.daddr, ADDRESS_SIZE);
    __builtin_memcpy(room->pseudo.daddr, slow->request_key.saddr, ADDRESS_SIZE);
    room->pseudo.length = bpf_htonl(length);
    room->pseudo.protocol = bpf_htonl(protocol);
    return bpf_csum_diff(0, 0, (__be32 *)&room->pseudo, sizeof(room->pseudo), 0);
}

static __always_inline struct ethhdr *answer_ethernet(struct answer_room *room, const struct slow_path *slow)
{
    __builtin_memcpy(&room->ethernet, slow->last_hop, sizeof(slow->last_hop));
    room->ethernet.h_proto = slow->family == IPV4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
    return &room->ethernet;
}

// The IP header for `size` bytes of this protocol, from whom the packet was for to whom it is from.
static __always_inline void answer_begin(struct answer_room *room, const struct slow_path *slow,
                                         const enum address_family family, __u8 protocol, __u32 size)
{
    if (family == IPV4) {
        struct iphdr *ip = (struct iphdr *)(room->bytes);

        *ip = (struct iphdr){
            .version = 4,
            .ihl = 5,
            .tot_len = bpf_htons(sizeof(*ip) + size),
            .frag_off = bpf_htons(0x4000),  // do not fragment; its id may be 0 then (RFC 6864)
            .ttl = ANSWER_HOP_LIMIT,
            .protocol = protocol,
            .saddr = slow->request_key.daddr[0],
            .daddr = slow->request_key.saddr[0],
        };
        ip->check = ~sum_fold(bpf_csum_diff(0, 0, (__be32 *)ip, sizeof(*ip), 0));
    } else {
        struct ipv6hdr *ip = (struct ipv6hdr *)(room->bytes);

        *ip = (struct ipv6hdr){
            .version = 6,
            .payload_len = bpf_htons(size),
            .nexthdr = protocol,
            .hop_limit = ANSWER_HOP_LIMIT,
        };
        __builtin_memcpy(&ip->saddr, slow->request_key.daddr, ADDRESS_SIZE);
        __builtin_memcpy(&ip->daddr, slow->request_key.saddr, ADDRESS_SIZE);
    }
}
