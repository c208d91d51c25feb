// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `frontends`: (address, port, protocol) as a client dials it -> service. Written by the agent, read for a packet without
// a flow. A miss: the packet is not ours and passes untouched.
#pragma once

#include "types.h"

struct frontend_key {
    enum address_family family;
    enum l4_protocol protocol;
    __u8 address[ADDRESS_SIZE];
    __u16 port;  // host order
    __u16 pad;   // 0
};
SHUNT_ASSERT_SIZE(struct frontend_key, 28);
SHUNT_ASSERT_KEY(struct frontend_key);

enum frontend_kind {
    FRONTEND_NODE_PORT = 1,      // a Service's nodePort on one node address
    FRONTEND_LOAD_BALANCER = 2,  // an address of status.loadBalancer.ingress
    FRONTEND_EXTERNAL_IP = 3,    // one of spec.externalIPs
    FRONTEND_ADDRESS = 4,        // the whole of a FRONTEND_LOAD_BALANCER address that no device of this node has: protocol
                                 // ANY_PROTOCOL, port 0, service 0. What comes to its other ports goes no further. There is
                                 // none while a Service at that address is left to the stack
};

struct frontend {
    __u32 service;  // key of `services`; 0: none, FRONTEND_ADDRESS
    enum frontend_kind kind;
};
SHUNT_ASSERT_SIZE(struct frontend, 8);

#define FRONTENDS_MAX 262144
