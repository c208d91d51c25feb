// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the wrapper around a measured program (bench.bpf.c) and `shunt bench` share. Nothing of it is ever pinned.
#pragma once

#include "maps/types.h"

// Ethernet, IP, TCP without options, and a few bytes of payload.
#define BENCH_FRAME4_SIZE 64
#define BENCH_FRAME6_SIZE 80

// What distinguishes one packet of a path from the next. Laid out in the order in which flows are visited, so that the
// wrapper reads straight on and costs the same whatever that order is.
struct bench_visit {
    __be32 word;  // IPv4: an address; IPv6: the last word of one
    __be16 port;
    __u16 pad;
};
SHUNT_ASSERT_SIZE(struct bench_visit, 8);
