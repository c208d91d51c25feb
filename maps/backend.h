// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `backends`: the endpoints of each service, by id, usable or not. Written by the agent, read by the slow
// path. An id is used again only a grace period after it was freed. A miss: the slot is stale, the packet
// is dropped and counted.
#pragma once

#include "types.h"

#define NODE_NAME_SIZE 256  // RFC 1123 subdomain (253) and a NUL
#define BACKENDS_MAX 262144

enum backend_placement {
    BACKEND_LOCAL = 1,   // on this node: the client address is kept, the stack delivers
    BACKEND_REMOTE = 2,  // on another node: DNAT and SNAT
};

// From the EndpointSlice's conditions.
enum backend_state {
    BACKEND_READY = 1,
    BACKEND_SERVING_TERMINATING = 2,  // used only when no endpoint is ready
    BACKEND_TERMINATING = 3,          // no longer serving: existing flows finish
    BACKEND_NOT_READY = 4,
};

struct backend {
    enum address_family family;
    enum l4_protocol protocol;
    __u8 address[ADDRESS_SIZE];
    __u16 port;  // host order
    __u16 pad;   // 0
    __u32 service;
    enum backend_placement placement;
    enum backend_state state;
    __u32 slots;  // how many slots of its service name it; 0: takes no new flow
    char node[NODE_NAME_SIZE];  // empty: unknown
};
SHUNT_ASSERT_SIZE(struct backend, 300);
