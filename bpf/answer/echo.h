// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Echo replies in the name of a load-balancer address (RFC 792, RFC 4443): the request with its ends exchanged. The sum of
// the addresses stays, so only the type counts for the checksum.
#pragma once

#include "bpf/answer/room.h"

struct echo_header {
    __u8 type, code;
    __u16 check;
};

static __always_inline int echo(const struct packet *packet, struct answer_room *room, struct slow_path *slow)
{
    const int is_ipv4 = slow->family == IPV4;
    __u32 hop_limit_offset = L3_OFFSET + (is_ipv4 ? offsetof(struct iphdr, ttl) : offsetof(struct ipv6hdr, hop_limit));
    __u32 size = is_ipv4 ? sizeof(__be32) : ADDRESS_SIZE;
    __u32 addresses = L3_OFFSET + (is_ipv4 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, saddr));
    struct echo_header icmp;
    __u8 hop_limit[4];  // and for IPv4 protocol and checksum
    __u8 type = is_ipv4 ? ICMP_TYPE_ECHO_REPLY : ICMP6_TYPE_ECHO_REPLY;

    if (bytes_load(packet, slow->l4_offset, &icmp, sizeof(icmp)) ||
        bytes_load(packet, hop_limit_offset, hop_limit, sizeof(hop_limit)))
        return 0;
    icmp.check = checksum_update(icmp.check, checksum_fold(checksum_difference16(bpf_htons(icmp.type << 8), bpf_htons(type << 8))));
    icmp.type = type;
    if (is_ipv4)
        *(__u16 *)(hop_limit + 2) = checksum_update(
            *(__u16 *)(hop_limit + 2),
            checksum_fold(checksum_difference16(bpf_htons(hop_limit[0] << 8), bpf_htons(ANSWER_HOP_LIMIT << 8))));
    hop_limit[0] = ANSWER_HOP_LIMIT;
    if (bytes_store(packet, slow->l4_offset, &icmp, sizeof(icmp)) ||
        bytes_store(packet, hop_limit_offset, hop_limit, is_ipv4 ? 4 : 1) ||
        bytes_store(packet, addresses, slow->request_key.daddr, size) ||
        bytes_store(packet, addresses + size, slow->request_key.saddr, size) ||
        bytes_store_ethernet(packet, answer_ethernet(room, slow)))
        return 0;
    count(ANSWERED_ECHO);
    return 1;
}
