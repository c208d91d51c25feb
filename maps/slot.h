// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `slots`: the consistent-hash tables of all services, end to end; each slot is a backend id. An array that the
// agent memory-maps. A slice is written before the service points at it, and is used for another service only a
// grace period after the last pointer went.
#pragma once

#include "types.h"

#define SLOTS_MAX 16777216  // 64 MiB
#define SLOT_GRACE_NS 2000000000ull

// Values of an array lie 8 bytes apart, whatever their size: two slots to a value waste none, and the mapping is a
// plain array of __u32. Slot n is backend[n % 2] of value n / 2.
struct slot_pair {
    __u32 backend[2];
};
SHUNT_ASSERT_SIZE(struct slot_pair, 8);
