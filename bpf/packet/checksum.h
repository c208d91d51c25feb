// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Incremental checksums (RFC 1624). A difference is the folded one's complement sum of ~old and new; it is a
// constant of a flow. Sums of network-order words are network-order words, whatever the machine's order.
#pragma once

#include <linux/types.h>

#include <bpf/bpf_endian.h>

// The difference that a TTL makes which goes down by one: it is the high byte of its word.
#define TTL_DIFFERENCE ((__u16)~bpf_htons(0x0100))

static __always_inline __u16 checksum_fold(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

// Of words that go from `before` to `after`; at most 16 of them, so that the sum cannot overflow.
static __always_inline __u32 checksum_difference32(const __be32 *before, const __be32 *after, int words)
{
    __u32 sum = 0;

    for (int i = 0; i < words; i++) {
        sum += (~before[i] & 0xffff) + (~before[i] >> 16);
        sum += (after[i] & 0xffff) + (after[i] >> 16);
    }
    return sum;
}

static __always_inline __u32 checksum_difference16(__be16 before, __be16 after)
{
    return (__u16)~before + after;
}

// The checksum field after a change by `difference`: RFC 1624, equation 3.
static __always_inline __u16 checksum_update(__u16 field, __u16 difference)
{
    return ~checksum_fold((__u16)~field + difference);
}
