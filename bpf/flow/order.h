// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The order of loads and stores of an entry that readers use without a lock. x86 keeps both in order by itself, so there only
// the compiler is held; elsewhere an atomic operation that returns a value is a full barrier (BPF's others
// are not), for want of acquire loads before Linux 6.15.
#pragma once

#include <linux/types.h>

#include "maps/flow.h"

// Set by the loader: 1 on x86.
const volatile __u32 strongly_ordered = 0;

#define READ_ONCE(lvalue) (*(const volatile typeof(lvalue) *)&(lvalue))
#define WRITE_ONCE(lvalue, value) (*(volatile typeof(lvalue) *)&(lvalue) = (value))

static __always_inline void order_all(void)
{
    __u64 word = 0;

    asm volatile("" ::: "memory");
    if (!strongly_ordered) {
        word = __sync_fetch_and_add(&word, 1);
        asm volatile("" ::"r"(word));  // used: else it becomes an addition that is no barrier
    }
}

static __always_inline void order_loads(void)
{
    order_all();
}

static __always_inline void order_stores(void)
{
    order_all();
}

// Between these two an entry's words change.
static __always_inline void seq_begin(__u32 *seq)
{
    WRITE_ONCE(*seq, *seq + 1);
    order_stores();
}

static __always_inline void seq_end(__u32 *seq)
{
    order_stores();
    WRITE_ONCE(*seq, *seq + 1);
}

// Between these two an entry may be missed, in its old slot and in its new one.
static __always_inline void moves_begin(struct flow_control *control)
{
    __sync_fetch_and_add(&control->moves_begun, 1);
}

static __always_inline void moves_end(struct flow_control *control)
{
    __sync_fetch_and_add(&control->moves_ended, 1);
}
