// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `agent_state`: what the agent last said about itself; an array of one. Written by the agent, read by
// `shunt status` and bpftool, also when the agent is dead. All times are CLOCK_MONOTONIC nanoseconds.
#pragma once

#include "types.h"
#include "backend.h"

#define AGENT_TEXT_SIZE 256

enum agent_sync {
    AGENT_STARTING = 0,
    AGENT_WAITING = 1,  // `waiting_for` says for what; nothing was pruned
    AGENT_SYNCED = 2,   // the maps hold what the source says
};

struct agent_state {
    __u64 started_ns;
    __u64 last_change_ns;    // when the last change came into force; 0: none yet
    __u64 last_in_force_ns;  // how long that change took, from its notice to the maps
    __u64 heartbeat_ns;
    __u32 pid;
    enum agent_sync sync;
    __u32 broken_files;      // manifests or objects whose last good state is in force, or that could never be read
    __u32 snat_port_min;
    __u32 snat_port_max;
    __u32 source_silence_s;  // at the last heartbeat, since the API server was last heard; 0 with manifests
    char version[32];
    char node_name[NODE_NAME_SIZE];
    char source[AGENT_TEXT_SIZE];       // "manifests /etc/shunt", "API server https://…"
    char waiting_for[AGENT_TEXT_SIZE];  // empty: nothing
    char last_error[AGENT_TEXT_SIZE];   // of the maps, else of a device or the network, else of the API server, else of
                                        // the first broken file or object, else of a port to serve health or metrics
                                        // at; empty once it is mended
};
SHUNT_ASSERT_SIZE(struct agent_state, 1112);
