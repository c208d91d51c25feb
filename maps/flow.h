// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `flows4`, `flows6`: the connections and UDP conversations in progress. Each has two entries, one for each
// direction, made and removed together; an entry is a recipe: all that a packet of that direction needs.
// Read by everyone, without a lock; written by the programs only, under the lock of the flow's stripe. A miss: the
// packet has no flow, and its frontend decides. bpf/flow/table.h has the protocol, maps/flow_place.h says where an
// entry stands.
#pragma once

#include "types.h"

// Where the packet is seen, and what its entry is found by. One tuple at ingress and at egress is two keys.
enum flow_hook {
    FLOW_INGRESS = 0,       // requests: by the client, the source
    FLOW_EGRESS = 1,        // replies of local pods: by the client, the destination
    FLOW_INGRESS_SNAT = 2,  // replies of backends on other nodes: by the SNAT port
};

struct flow4_key {
    __be32 saddr, daddr;
    __be16 sport, dport;
    __u8 protocol;  // enum l4_protocol; 0: the slot is free
    __u8 hook;      // enum flow_hook
    __u16 pad;      // 0
};
SHUNT_ASSERT_SIZE(struct flow4_key, 16);
SHUNT_ASSERT_KEY(struct flow4_key);

struct flow6_key {
    __be32 saddr[4], daddr[4];
    __be16 sport, dport;
    __u8 protocol;
    __u8 hook;
    __u16 pad;
};
SHUNT_ASSERT_SIZE(struct flow6_key, 40);
SHUNT_ASSERT_KEY(struct flow6_key);

enum recipe_kind {
    RECIPE_LOCAL_REQUEST = 1,   // ingress: new destination, up the stack
    RECIPE_REMOTE_REQUEST = 2,  // ingress: new destination and source, out
    RECIPE_LOCAL_REPLY = 3,     // egress: new source, out by the interface the request came in on
    RECIPE_REMOTE_REPLY = 4,    // ingress: both undone, out to the client
};

// Both entries of a flow carry the same state.
enum flow_state {
    FLOW_HALF_OPEN = 1,    // TCP: SYN seen; UDP: no answer yet
    FLOW_REPLIED = 2,      // TCP: the backend's SYN-ACK was seen, the client has not acknowledged it
    FLOW_ESTABLISHED = 3,
    FLOW_CLOSING = 4,      // a FIN or RST was seen
};

// What is known of the way out. Bits.
enum next_hop {
    NEXT_HOP_UNRESOLVED = 0,    // the neighbour's MAC is unknown: tc lets the kernel resolve it
    NEXT_HOP_RESOLVED = 1,      // the MACs are known; and, from the device's enum device_transmit,
    NEXT_HOP_XDP_TX = 2,        // XDP may send by XDP_TX if the packet came in by that device
    NEXT_HOP_XDP_REDIRECT = 4,  // XDP may redirect there
    NEXT_HOP_STACK = 8,         // none is needed: up the stack to a pod (RECIPE_LOCAL_REQUEST)
};

// How long a flow may be idle, in seconds, by state. Established TCP outlives the longest idle time-out of
// an AWS NLB (6000 s); UDP its 120 s.
#define FLOW_TIMEOUT_TCP_HALF_OPEN 60
#define FLOW_TIMEOUT_TCP_ESTABLISHED 8000
#define FLOW_TIMEOUT_TCP_CLOSING 120
#define FLOW_TIMEOUT_UDP_HALF_OPEN 30
#define FLOW_TIMEOUT_UDP_ESTABLISHED 180

// The packets that need the slow path, as TCP flag bits (RFC 9293, byte 13 of the header). A UDP datagram
// counts as one with ACK.
#define FLOW_FLAG_FIN 0x01
#define FLOW_FLAG_SYN 0x02
#define FLOW_FLAG_RST 0x04
#define FLOW_FLAG_ACK 0x10

// What the entries of both families have in common. Who rewrites an entry makes `seq` odd first and even again at the end, so
// that a reader without a lock knows whether what it read belongs together; `last_seen`, `watch` and `state` change
// without it, each for itself.
struct recipe {
    __u32 seq;
    __u16 last_seen;  // tick (see control.h) of the newest packet, modulo 2^16: 19 hours
    __u8 next_hop;    // enum next_hop, several
    __u8 away;        // no part of the entry: in the first slot of a group, see flow_place.h
    __u8 macs[12];    // destination and source, as in the Ethernet header
    __u32 ifindex;    // where the packet leaves; for RECIPE_LOCAL_REQUEST where it came in
    __u16 epoch;      // route epoch of the next hop
    union {
        __u16 mtu;      // of the next hop, bytes; 0: not limited here (the stack delivers)
        __u16 opening;  // RECIPE_LOCAL_REPLY of TCP: what the pod's answer to the flow's last SYN acknowledges, low half; 0:
                        // that cannot be told
    };
    __be16 sport, dport;  // the new ports
    // RFC 1624 differences, each ready to be added to a complemented checksum field.
    __u16 address_delta;  // of the addresses; in IPv4 recipes that send out also of the TTL less one
    __u16 l4_delta;       // L4 checksum: addresses and ports
    __u16 service;
    __u8 watch;       // FLOW_FLAG_*: packets with one of these go the slow path
    __u8 state;       // enum flow_state
};
SHUNT_ASSERT_SIZE(struct recipe, 40);

// One line of the processor's cache.
struct flow4 {
    struct recipe recipe;
    __be32 saddr, daddr;  // the new addresses
    struct flow4_key key;
};
SHUNT_ASSERT_SIZE(struct flow4, 64);

struct flow6 {
    struct recipe recipe;
    __be32 saddr[4], daddr[4];
    struct flow6_key key;
    __u64 pad[2];
};
SHUNT_ASSERT_SIZE(struct flow6, 128);

// Which of the four a recipe is follows from its key and its next hop.
SHUNT_INLINE enum recipe_kind recipe_kind_of(__u8 hook, __u8 next_hop)
{
    if (hook == FLOW_EGRESS)
        return RECIPE_LOCAL_REPLY;
    if (hook == FLOW_INGRESS_SNAT)
        return RECIPE_REMOTE_REPLY;
    return next_hop & NEXT_HOP_STACK ? RECIPE_LOCAL_REQUEST : RECIPE_REMOTE_REQUEST;
}

// Where the partner of an entry is found.
SHUNT_INLINE enum flow_hook flow_partner_hook(__u8 hook, __u8 next_hop)
{
    switch (recipe_kind_of(hook, next_hop)) {
    case RECIPE_LOCAL_REQUEST:
        return FLOW_EGRESS;
    case RECIPE_REMOTE_REQUEST:
        return FLOW_INGRESS_SNAT;
    default:
        return FLOW_INGRESS;
    }
}

// How long a flow in this state may be idle, in seconds.
SHUNT_INLINE __u32 flow_timeout(__u8 protocol, __u8 state)
{
    if (protocol == UDP)
        return state == FLOW_HALF_OPEN ? FLOW_TIMEOUT_UDP_HALF_OPEN : FLOW_TIMEOUT_UDP_ESTABLISHED;
    if (state == FLOW_ESTABLISHED)
        return FLOW_TIMEOUT_TCP_ESTABLISHED;
    return state == FLOW_CLOSING ? FLOW_TIMEOUT_TCP_CLOSING : FLOW_TIMEOUT_TCP_HALF_OPEN;
}

// A value of the map: a block of slots.
#define FLOW_BLOCK_SLOTS 128

struct flow4_block {
    struct flow4 slots[FLOW_BLOCK_SLOTS];
};

struct flow6_block {
    struct flow6 slots[FLOW_BLOCK_SLOTS];
};

// `flow_stripes`: the locks, FLOW_STRIPES for each family, IPv4 first. A flow's stripe follows from its client.
#define FLOW_STRIPES 128

#ifndef __cplusplus
struct flow_stripe {
    struct bpf_spin_lock lock;
    __u32 entries;  // in use, of this stripe's blocks
    __u8 pad[56];   // a line for each
};
SHUNT_ASSERT_SIZE(struct flow_stripe, 64);
#endif

// `flow_timer`: upkeep's. Goes on as long as the map is pinned, whether an agent lives or not.
#ifndef __cplusplus
struct flow_timer {
    struct bpf_timer timer;
};
#endif

// `flow_control`: one for each family, IPv4 first. Mapped by the agent, which sets seeds, multiplier, shape and max_mask when it makes
// the map, and nothing later.
struct flow_control {
    // The blocks in use, less one: of new entries (low half), and where entries may also be while the table grows
    // (high half; else the same).
    __u64 shape;
    __u32 moves_begun, moves_ended;  // entries that changed their slot; a look-up that missed compares them
    __u64 multiplier;                // odd
    __u32 seeds[10];
    // The second line: of upkeep.
    __u64 pass_shape;  // the shape when the present pass through all blocks in use began
    __u32 max_mask;    // blocks that there are, less one; a power of two, at least FLOW_STRIPES
    __u32 cursor;      // the next block to visit
    __u32 left;        // entries that this pass should have moved and could not
    __u32 stuck;       // the same of the last pass
    __u32 passes;      // that are over
    __u32 pad[9];
};
SHUNT_ASSERT_SIZE(struct flow_control, 128);
