// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Counting, and the verdicts that count in one step.
#pragma once

#include "bpf/hook/verdict.h"
#include "bpf/maps.h"

static __always_inline void count(enum event event)
{
    __u32 zero = 0;
    __u64 *counts = bpf_map_lookup_elem(&counters, &zero);

    if (counts)
        counts[event] += 1;
}

static __always_inline void count_service_at(__u32 service, const __u32 offset)
{
    void *counter = bpf_map_lookup_elem(&service_counters, &service);

    if (counter)
        *(__u64 *)(counter + offset) += 1;
}

// `field`: of struct service_counters.
#define count_service(service, field) count_service_at(service, offsetof(struct service_counters, field))

static __always_inline enum verdict drop(enum event reason)
{
    count(reason);
    return VERDICT_DROP;
}

static __always_inline enum verdict pass(enum event reason)
{
    count(reason);
    return VERDICT_PASS;
}
