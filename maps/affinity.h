// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `affinity`: where a client of a Service with sessionAffinity ClientIP went last, through whichever frontend. Written
// by the programs when a connection is established (UDP: answered), read for the first packet of a flow; the agent leaves it alone.
// An LRU hash: when it is full, the client that was silent for longest is forgotten. A miss, an entry that is
// older than the service's time-out, and one whose backend takes no new flows: the hash decides.
#pragma once

#include "types.h"

#define AFFINITY_MAX 65536

struct affinity_key {
    __u8 client[ADDRESS_SIZE];
    __u32 service;
};
SHUNT_ASSERT_SIZE(struct affinity_key, 20);
SHUNT_ASSERT_KEY(struct affinity_key);

// The backend by what it is, not by its id: ids are used again.
struct affinity {
    __u8 address[ADDRESS_SIZE];
    __u16 port;  // host order
    __u16 pad;   // 0
    __u32 backend;      // its id when the entry was written
    __u64 last_used_ns;  // CLOCK_MONOTONIC
};
SHUNT_ASSERT_SIZE(struct affinity, 32);
