// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the benchmark's BPF programs and their loaders share.
#pragma once

#include <linux/types.h>

#define PAYLOAD_SIZE 22                   // makes an IPv4 frame one of 64 bytes
#define DATAGRAM_SIZE (8 + PAYLOAD_SIZE)  // UDP header and payload

// Of one end of the path; written by frames.cpp before each run, read by ends.bpf.c with each packet.
struct end_settings {
    __be16 port;  // UDP packets to it count (from it, if by_source); everything else passes
    __u8 by_source;
    __u8 reflect;  // send back what counts, addresses and ports exchanged
    __u8 inspect;  // compute checksums, look at the source address and for the watched destination
    __u8 pad[3];
    __be32 source[4], source_mask[4];  // where packets must seem to come from; IPv4 in the first word
    __be32 watched;                    // IPv4 destination; 0: none
};

struct end_counts {
    __u64 packets;
    __u64 wrong_checksums;
    __u64 wrong_sources;
    __u64 watched_ns;  // bpf_ktime_get_ns() of the first packet to the watched destination, 0: none came
};

// What the generator writes into each frame. Set before it is loaded.
struct frame_plan {
    __u8 macs[12];  // destination, source
    __u8 is_ipv6;
    __u8 shift;  // half the bits of flow_mask, at least 1; 0: flows are visited in ascending order
    __be16 dport;
    __u16 first_sport;  // a flow's number gives its low 15 bits to the port, the rest to the address
    __u16 ip_sum;       // of the IPv4 header without source address, not complemented
    __be32 saddr[4], daddr[4];
    __u32 l4_sum;     // of pseudo header, UDP header and payload without source address and port
    __u32 flow_mask;  // number of flows, a power of two, less one
    __u32 ifindex;    // where frames leave
};

// One translation, made for every packet that stateless.bpf.c sees.
struct translation {
    __be32 match_daddr, match_saddr;  // the one that is not 0 must match
    __be32 saddr, daddr;
    __be16 match_port;  // destination or source port, as above
    __be16 new_port;    // in place of it
    __u8 macs[12];
    __u32 ifindex;  // where packets leave
};
