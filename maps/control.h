// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `control`: what running programs read with every packet that they send out. An array of one, memory-mapped by the agent.
#pragma once

#include "types.h"

// Raised whenever a pinned map's layout or meaning changes. An agent that finds another number refuses
// the pin directory and names the next step.
#define SHUNT_ABI 3u

// A tick is CLOCK_MONOTONIC >> TICK_SHIFT: 2^30 ns, about 1.07 s.
#define TICK_SHIFT 30

// A heartbeat older than this many ticks means that nobody raises the route epoch.
#define HEARTBEAT_STALE_TICKS 5

// What becomes of packets to a frontend that are of no flow. Flows that there are go on in any case.
enum control_drain {
    DRAIN_NONE = 0,
    DRAIN_NEW_FLOWS = 1,  // they are left to the stack
    DRAIN_DETACHED = 2,   // and the programs are off the devices: the agent attaches none until this is taken back
};

// Written by the agent only, but for `drain`, which `shunt drain` and `shunt detach` write and which outlives the agent. Read by
// the programs without a lock; every field stands for itself.
struct control {
    __u32 abi;          // SHUNT_ABI of the build that made the maps; first in every ABI
    __u32 route_epoch;  // only the low 16 bits count; a recipe of another epoch asks the FIB once more
    __u32 heartbeat;    // tick of the agent's last sign of life
    __u32 drain;        // enum control_drain
    __u32 vips;         // FRONTEND_ADDRESS entries of `frontends`; 0: nobody need look for one
    __u32 pad;          // 0
};
SHUNT_ASSERT_SIZE(struct control, 24);
