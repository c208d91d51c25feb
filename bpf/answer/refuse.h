// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Nothing to forward to: a TCP reset (RFC 9293, 3.5.2) or an ICMP port unreachable (RFC 792, RFC 4443) in the frontend's name.
//
// A packet from a sender on the same machine may come with its checksum left to the device (CHECKSUM_PARTIAL), which a program
// is not told: then the field holds the sum of the pseudo header, and the device will sum up from where
// the L4 header was and put the complement where that packet's checksum was. The answers are made so that this does no harm.
#pragma once

#include "bpf/answer/room.h"
#include "bpf/route/next_hop.h"

#define REFUSALS_PER_TICK 1000  // of each CPU

static __always_inline int refusal_is_allowed(struct slow_path *slow)
{
    __u32 now = tick_now();

    if (slow->answer_tick != now) {
        slow->answer_tick = now;
        slow->answers = 0;
    }
    if (slow->answers >= REFUSALS_PER_TICK)
        return 0;
    slow->answers += 1;
    return 1;
}

// Senders that cannot be one single host get no answer (RFC 1122, 3.2.2).
static __always_inline int sender_is_one_host(const struct slow_path *slow)
{
    const __u8 *sender = (const __u8 *)slow->request_key.saddr;

    if (slow->family == IPV4)
        return sender[0] != 0 && sender[0] != 127 && sender[0] < 224;
    return sender[0] != 0xff && !address_is_zero(slow->request_key.saddr);
}

static __always_inline int checksum_is_left(struct answer_room *room, const struct slow_path *slow)
{
    __u8 protocol = slow->request_key.protocol;
    __u32 length = slow->l3_length - (slow->l4_offset - L3_OFFSET);
    __u16 field = protocol == TCP ? room->l4.tcp.check : room->l4.udp.check;

    return field == sum_fold(pseudo_sum(room, slow, protocol, length));
}

// The answers, in `room`; each returns its size, from the IP header on.
static __always_inline __u32 make_reset(struct answer_room *room, const struct slow_path *slow,
                                        const enum address_family family, int is_left)
{
    struct tcphdr *tcp = (struct tcphdr *)(room->bytes + ip_header_size(family));
    __u32 pseudo;

    answer_begin(room, slow, family, IPPROTO_TCP, sizeof(*tcp));
    *tcp = (struct tcphdr){
        .source = slow->request_key.dport,
        .dest = slow->request_key.sport,
        .ack_seq = bpf_htonl(slow->sequence + 1 + slow->payload),  // only opening SYNs are refused
        .doff = sizeof(*tcp) / 4,
        .rst = 1,
        .ack = 1,
    };
    pseudo = pseudo_sum(room, slow, IPPROTO_TCP, sizeof(*tcp));
    tcp->check = is_left ? sum_fold(pseudo) : (__u16)~sum_fold(bpf_csum_diff(0, 0, (__be32 *)tcp, sizeof(*tcp), pseudo));
    return ip_header_size(family) + sizeof(*tcp);
}

// Quotes as much of the packet as RFC 1812 and RFC 4443 ask for.
#define QUOTE_OFFSET(family) (ip_header_size(family) + ICMP_HEADER_SIZE)
#define QUOTE_MAX(family) (((family) == IPV4 ? 576 : ANSWER_SIZE) - QUOTE_OFFSET(family))

static __always_inline __u32 make_unreachable(struct answer_room *room, const struct slow_path *slow,
                                              const enum address_family family, int is_left)
{
    const __u8 protocol = family == IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    __u8 *quote = room->bytes + QUOTE_OFFSET(family);
    __u8 *icmp = quote - ICMP_HEADER_SIZE;
    __u32 quoted = room->quoted;
    __u64 sum = 0;

    answer_begin(room, slow, family, protocol, ICMP_HEADER_SIZE + quoted);
    __builtin_memset(icmp, 0, ICMP_HEADER_SIZE);
    icmp[0] = family == IPV4 ? ICMP_TYPE_UNREACHABLE : ICMP6_TYPE_UNREACHABLE;
    icmp[1] = family == IPV4 ? ICMP_CODE_PORT_UNREACHABLE : ICMP6_CODE_PORT_UNREACHABLE;
    if (family == IPV6)
        sum = pseudo_sum(room, slow, protocol, ICMP_HEADER_SIZE + quoted);
    if (is_left && family == IPV6)
        *(__u16 *)(icmp + 6) = sum_fold(sum);  // replaced by what is missing then: nothing
    sum += *(__u16 *)icmp;
#pragma clang loop unroll(disable)
    for (__u32 chunk = 0; chunk < QUOTE_CHUNKS; chunk++) {
        __u32 begin = chunk * QUOTE_CHUNK;
        __u32 size = quoted > begin ? (quoted - begin + 3) & ~3u : 0;

        if (size > QUOTE_CHUNK)
            size = QUOTE_CHUNK;
        sum += (__u32)bpf_csum_diff(0, 0, (__be32 *)(quote + begin), size, 0);
    }
    *(__u16 *)(icmp + 2) = ~sum_fold(sum);
    return QUOTE_OFFSET(family) + quoted;
}

static __always_inline __u32 make_refusal(const struct slow_path *slow, const enum address_family family)
{
    __u32 zero = 0;
    struct answer_room *room = bpf_map_lookup_elem(&answer_scratch, &zero);
    int is_left;

    if (!room)
        return 0;
    is_left = room->may_be_left && checksum_is_left(room, slow);
    return slow->request_key.protocol == TCP ? make_reset(room, slow, family, is_left)
                                             : make_unreachable(room, slow, family, is_left);
}

// Global functions, as in flow/table.h.
__noinline int make_refusal4(struct slow_path *slow) { return slow ? make_refusal(slow, IPV4) : 0; }
__noinline int make_refusal6(struct slow_path *slow) { return slow ? make_refusal(slow, IPV6) : 0; }

// The packet's IP header and what follows, so that an ICMP error quotes it.
static __always_inline long load_quote(const struct packet *packet, struct answer_room *room,
                                       const struct slow_path *slow, const enum address_family family)
{
    __u8 *quote = room->bytes + QUOTE_OFFSET(family);
    __u32 size = slow->l3_length;

    if (size > QUOTE_MAX(family))
        size = QUOTE_MAX(family);
    asm volatile("" : "+r"(size));  // the verifier has to see the bounds, each by itself
    if (size < sizeof(struct iphdr))
        return -1;
    asm volatile("" : "+r"(size));
    if (size > QUOTE_MAX(family))
        return -1;
    room->quoted = size;
    __builtin_memset(quote + size, 0, 4);
    return bytes_load(packet, L3_OFFSET, quote, size);
}

// Puts the refusal in the packet's place. 0: it could not be done, and the packet may be half rewritten.
static __always_inline int refuse(const struct packet *packet, struct answer_room *room, struct slow_path *slow)
{
    int is_tcp = slow->request_key.protocol == TCP;
    __u32 size;

    if (is_tcp ? bytes_load(packet, slow->l4_offset, &room->l4, sizeof(struct tcphdr))
               : bytes_load(packet, slow->l4_offset, &room->l4, sizeof(struct udphdr)) ||
                     (slow->family == IPV4 ? load_quote(packet, room, slow, IPV4) : load_quote(packet, room, slow, IPV6)))
        return 0;
    room->may_be_left = packet->hook != HOOK_XDP;
    size = slow->family == IPV4 ? make_refusal4(slow) : make_refusal6(slow);
    if (!size || bytes_resize(packet, L3_OFFSET + size))
        return 0;
    asm volatile("" : "+r"(size));  // as above
    if (size < sizeof(struct iphdr))
        return 0;
    asm volatile("" : "+r"(size));
    if (size > sizeof(room->bytes) || bytes_store(packet, L3_OFFSET, room->bytes, size) ||
        bytes_store_ethernet(packet, answer_ethernet(room, slow)))
        return 0;
    count(is_tcp ? ANSWERED_RESET : ANSWERED_UNREACHABLE);
    return 1;
}
