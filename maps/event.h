// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `counters`: one per-CPU counter for each entry of event.def, as the named fields of the one value of a per-CPU
// array, so that bpftool prints names. Written by the programs only; they grow as long as the pin directory lives.
#pragma once

#include "types.h"

enum event {
#define EVENT(kind, name, meaning, cause, next_step) name,
#include "event.def"
#undef EVENT
    EVENT_COUNT
};

enum event_kind {
    EVENT_FORWARDED,  // did what shunt is for
    EVENT_FLOW,       // something happened to a flow
    EVENT_PASSED,     // left to the stack, unmodified
    EVENT_ANSWERED,   // in the name of a frontend, by shunt itself
    EVENT_DROPPED,
};

struct event_counts {
#define EVENT(kind, name, meaning, cause, next_step) __u64 name;
#include "event.def"
#undef EVENT
};
SHUNT_ASSERT_SIZE(struct event_counts, EVENT_COUNT * 8);
