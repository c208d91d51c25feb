// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A hash of a few words. Multiplication by an odd constant (2^64 / golden ratio) and folding of the high half:
// each input bit reaches each bit of the high half. Not keyed: every node must come to the same answer.
#pragma once

#include <linux/types.h>

static __always_inline __u64 hash_word(__u64 hash, __u64 word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ (hash >> 32);
}

// Evenly from 0 to bound - 1, without a division.
static __always_inline __u32 hash_below(__u64 hash, __u32 bound)
{
    return ((hash & 0xffffffff) * bound) >> 32;
}
