// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What stress.bpf.c and its user have in common: who takes part. Frames are Ethernet, IP and TCP without options; the payload repeats
// addresses and ports (in that order, as in the headers), so that a frame that comes out says what it was.
#pragma once

#include "maps/types.h"

#define STRESS_PORT 80          // of both frontends
#define STRESS_POD_PORT 8080
#define STRESS_LOCAL_PODS 4     // a power of two each; the last octet of their addresses goes up
#define STRESS_REMOTE_PODS 8
#define STRESS_CLIENT_ADDRESSES 64
#define STRESS_CLIENT_PORT 1024  // the first

#define STRESS_FRAME4_SIZE (14 + 20 + 20 + 12)
#define STRESS_FRAME6_SIZE (14 + 40 + 20 + 36)

struct stress_address {
    __be32 ipv4;
    __be32 ipv6[4];
};

// Of client and pods: the first one's.
struct stress_actors {
    struct stress_address client, local_vip, remote_vip, local_pod, remote_pod, node;
    __u8 router_mac[6], node_mac[6], other_node_mac[6];
    __u8 pad[2];
};
