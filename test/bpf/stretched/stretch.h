// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Makes the moments long in which two CPUs can meet: each entry that is written or cleared waits before its first word and
// after its last one, under the lock. To be included before anything of bpf/flow/.
#pragma once

#include "bpf/flow/order.h"

// Variables, so that the verifier does not count rounds.
volatile __u64 zero = 0, short_time = 50, long_time = 100000;
__u64 stretched = 0;  // moments so far
__u64 clock = 0;      // shared by all CPUs, so that adding to it takes a while

// Leaves the loop after 8 million rounds, which the verifier takes for a promise that it ends (Linux 6.9). No call is allowed
// under a lock, and a loop that it counts would cost too much of its patience.
#define LOOP_MAY_END                                                                                       \
    ({                                                                                                    \
        __label__ end, on;                                                                                \
        asm volatile goto("may_goto %l[end]" :::: end);                                                   \
        goto on;                                                                                          \
    end:                                                                                                  \
        break;                                                                                            \
    on:;                                                                                                  \
    })

// Mostly half a microsecond; at times as long as if the CPU had been taken away.
static __always_inline void stretch_time(void)
{
    __u64 number = __sync_fetch_and_add(&stretched, 1);
    __u64 rounds = number % 1024 ? short_time : long_time;

    for (__u64 i = zero; i < rounds; i++) {
        LOOP_MAY_END;
        __sync_fetch_and_add(&clock, 1);
    }
}

static __always_inline void seq_begin_stretched(__u32 *seq)
{
    stretch_time();
    seq_begin(seq);
    stretch_time();
}

static __always_inline void seq_end_stretched(__u32 *seq)
{
    stretch_time();
    seq_end(seq);
    stretch_time();
}

#define seq_begin seq_begin_stretched
#define seq_end seq_end_stretched
