// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `flows4`, `flows6`: the connections and UDP conversations in progress. Each has two entries, one for each
// direction, made and removed together; an entry is a recipe: all that a packet of that direction needs.
// Written by the programs (the agent only removes pairs that were idle too long); read by the programs, the
// iterators and `shunt flows`. A miss: the packet has no flow, and its frontend decides.
#pragma once

#include "types.h"

// Where the packet is seen. One tuple at ingress and at egress is two keys.
enum flow_hook {
    FLOW_INGRESS = 0,  // requests, and replies of backends on other nodes
    FLOW_EGRESS = 1,   // replies of local pods
};

struct flow4_key {
    __be32 saddr, daddr;
    __be16 sport, dport;
    __u8 protocol;  // enum l4_protocol
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

// What is known of the way out. Packets of RECIPE_LOCAL_* need none.
// Bits.
enum next_hop {
    NEXT_HOP_UNRESOLVED = 0,    // the neighbour's MAC is unknown: tc lets the kernel resolve it
    NEXT_HOP_RESOLVED = 1,      // the MACs are known; and, from the device's enum device_transmit,
    NEXT_HOP_XDP_TX = 2,        // XDP may send by XDP_TX if the packet came in by that device
    NEXT_HOP_XDP_REDIRECT = 4,  // XDP may redirect there
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

struct recipe {
    __u32 last_seen;  // tick (see control.h) of the newest packet
    __u32 service;
    __u32 backend;
    __u32 ifindex;    // where the packet leaves; for RECIPE_LOCAL_REQUEST where it came in
    __u16 epoch;      // route epoch of the next hop below
    __u16 mtu;        // of the next hop, bytes; 0: not limited here (the stack delivers)
    __u8 kind;        // enum recipe_kind
    __u8 state;       // enum flow_state
    __u8 watch;       // FLOW_FLAG_*: packets with one of these go the slow path
    __u8 next_hop;    // enum next_hop, several
    __be16 sport, dport;  // the new ports
    // RFC 1624 differences, each ready to be added to a complemented checksum field.
    __u16 ip_delta;       // IPv4 header: addresses and, for packets sent out, TTL less one
    __u16 address_delta;  // L4 checksum: the addresses' part
    __u16 port_delta;     // L4 checksum: the ports' part
    __u16 l4_delta;       // both
    __u8 macs[12];  // destination and source, as in the Ethernet header
};
SHUNT_ASSERT_SIZE(struct recipe, 48);

struct flow4 {
    struct recipe recipe;
    __be32 saddr, daddr;  // the new addresses
};
SHUNT_ASSERT_SIZE(struct flow4, 56);

struct flow6 {
    struct recipe recipe;
    __be32 saddr[4], daddr[4];
};
SHUNT_ASSERT_SIZE(struct flow6, 80);
