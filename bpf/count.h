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

static __always_inline void count_service_flow(__u32 service)
{
    struct service_counters *counter = bpf_map_lookup_elem(&service_counters, &service);

    if (counter)
        counter->flows_opened += 1;
}

static __always_inline void count_service_drop(__u32 service)
{
    struct service_counters *counter = bpf_map_lookup_elem(&service_counters, &service);

    if (counter)
        counter->drops += 1;
}

static __always_inline void count_service_skipped(__u32 service)
{
    struct service_counters *counter = bpf_map_lookup_elem(&service_counters, &service);

    count(FLOW_BACKEND_SKIPPED);
    if (counter)
        counter->skipped += 1;
}

static __always_inline void count_service_rescue(__u32 service)
{
    struct service_counters *counter = bpf_map_lookup_elem(&service_counters, &service);

    count(FLOW_RESCUED);
    if (counter)
        counter->rescued += 1;
}

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
