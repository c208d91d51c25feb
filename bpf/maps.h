// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The maps themselves. What stands in them is said in maps/; sizes that depend on the node are set by the
// agent before it loads the programs.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "maps/affinity.h"
#include "maps/agent_state.h"
#include "maps/backend.h"
#include "maps/control.h"
#include "maps/device.h"
#include "maps/event.h"
#include "maps/flow.h"
#include "maps/flow_place.h"
#include "maps/frontend.h"
#include "maps/service.h"
#include "maps/slot.h"
#include "maps/source_range.h"
#include "maps/unanswered.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, FRONTENDS_MAX);
    __type(key, struct frontend_key);
    __type(value, struct frontend);
} frontends SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, SERVICES_MAX);
    __type(key, __u32);
    __type(value, struct service);
} services SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, SERVICES_MAX);
    __type(key, __u32);
    __type(value, struct service_counters);
} service_counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, SOURCE_RANGES_MAX);
    __type(key, struct source_range_key);
    __type(value, struct source_range);
} source_ranges SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, AFFINITY_MAX);
    __type(key, struct affinity_key);
    __type(value, struct affinity);
} affinity SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, UNANSWERED_MAX);
    __type(key, struct unanswered_key);
    __type(value, struct unanswered);
} unanswered SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, SLOTS_MAX / 2);
    __type(key, __u32);
    __type(value, struct slot_pair);
} slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, BACKENDS_MAX);
    __type(key, __u32);
    __type(value, struct backend);
} backends SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, FLOW_STRIPES);  // four slots for each of --max-flows
    __type(key, __u32);
    __type(value, struct flow4_block);
} flows4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, FLOW_STRIPES);
    __type(key, __u32);
    __type(value, struct flow6_block);
} flows6 SEC(".maps");

// A map with a lock cannot be mapped, so the locks have one of their own.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2 * FLOW_STRIPES);
    __type(key, __u32);
    __type(value, struct flow_stripe);
} flow_stripes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, struct flow_control);
} flow_control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct flow_timer);
} flow_timer SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1024);
    __type(key, __u32);
    __type(value, struct device);
} devices SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct event_counts);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct control);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct agent_state);
} agent_state SEC(".maps");

// A question to the FIB and its answer; see route/next_hop.h.
struct route {
    __be32 saddr[4], daddr[4];  // saddr 0: the route chooses it
    __be16 sport, dport;
    __u8 protocol;
    __u8 by_device;             // 1: out by `ifindex`; 0: as if come in by it
    __u16 mtu;
    __u32 ifindex;
    __u8 macs[12];              // destination, source; asked by_device: those to use if no route goes that way
    __u8 next_hop;              // enum next_hop, several
    __u8 pad[3];
};

// A flow's key as words, and its place in the table (bpf/flow/table.h).
struct flow_words {
    __u64 word[sizeof(struct flow6_key) / 8];
};

struct flow_key_at {
    struct flow_words key;
    struct flow_place place;
};

// An entry that may give way to a new flow. state 0: there is none.
struct flow_victim {
    struct flow6_key key, partner;
    __u16 last_seen;
    __u8 state;
    __u8 pad[5];
};

// Who has a SNAT port. state 0: nobody, or nobody who may give way.
struct flow_rival {
    __u16 last_seen;
    __be16 port;
    __u8 state;
    __u8 pad[3];
};

// Room for the slow path, which needs more than the 512 bytes of stack. Packets are handled with softirqs off,
// so one CPU never has two in hand. Not pinned.
struct slow_path {
    enum address_family family;
    __u32 ifindex;  // where the packet came in
    __u32 flags;    // FLOW_FLAG_* of the packet
    __u32 has_flow; // `found` is the packet's entry
    __u32 now;      // tick
    __u32 l3_length;  // of the packet: IP header and payload
    __u32 l4_offset;  // from the frame's beginning
    __u32 sequence, acknowledged, payload;  // of a TCP packet: host order, bytes
    struct flow6_key request_key, reply_key;  // an IPv4 address stands in the first word, the rest is 0
    struct flow6 request, reply;
    struct flow6 found;   // copy of the packet's entry, if it has one, or of the one that is to go
    struct flow_victim victim;  // to be removed
    struct flow_rival rival;    // the flow that has the wanted SNAT port
    struct flow_rival oldest;   // of the rivals, if it is half open
    struct flow_key_at first, second;  // of a flow's two entries
    __u8 next_state, watch, partner_watch;
    __u8 is_opening;      // a SYN, on a flow that is there; its `opening` is to be noted
    __u8 answer;          // enum answer
    __u8 pad1;
    __u16 epoch;
    __u16 opening;        // see struct recipe
    __u16 pad2;
    __u8 last_hop[12];    // the packet's MAC addresses as an answer to it would carry them: destination, source
    __u32 tried;          // SNAT ports; here, because the verifier would follow a variable's every value
    __u32 service;
    __u32 backend;              // that was chosen; 0: none
    enum event reason;          // of a verdict that opens no flow; EVENT_COUNT: nothing to count
    __u64 slice;                // to choose from
    __u32 affinity_timeout_s;
    __u8 local_only;            // endpoints of this node alone
    __u8 is_rescue;             // the backend in `found` did not answer: another one
    __u8 pad[2];
    __u32 answer_tick, answers; // sent by this CPU in that tick
    struct route route;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slow_path);
} scratch SEC(".maps");
