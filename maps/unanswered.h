// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `unanswered`: TCP endpoints that have SYNs to answer, whichever service sent them. Written and read by the programs; an LRU hash.
// A SYN-ACK sets the count back to 0. A miss is as good as a count of 0.
#pragma once

#include "types.h"

#define UNANSWERED_MAX 16384

// From so many SYNs on, of which the first is older than that, an endpoint is passed over by new flows but for one a tick.
#define UNANSWERED_SYNS 3
#define UNANSWERED_NS 900000000ull

// A flow that waited in vain once passes over those that have a single SYN older than that.
#define UNANSWERED_RESCUE_NS 200000000ull

struct unanswered_key {
    __u8 address[ADDRESS_SIZE];
    __u16 port;    // host order
    __u16 family;  // enum address_family
};
SHUNT_ASSERT_SIZE(struct unanswered_key, 20);
SHUNT_ASSERT_KEY(struct unanswered_key);

struct unanswered {
    __u64 first_ns;  // CLOCK_MONOTONIC; of the first SYN since the last answer
    __u32 syns;      // since then
    __u32 probe;     // tick (control.h) of the last new flow that went there all the same
};
SHUNT_ASSERT_SIZE(struct unanswered, 16);
