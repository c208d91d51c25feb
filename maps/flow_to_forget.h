// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the agent hands to flow_forget (bpf/upkeep.bpf.c) as the packet of a test run: a flow that goes whatever its state,
// because its endpoint is gone. No map.
#pragma once

#include "flow.h"

struct flow_to_forget {
    struct flow6_key key;  // of the request; an IPv4 address stands in the first word
    __be32 daddr[4];       // the endpoint: if a flow to another one has the key by now, that stays
    __be16 dport;
    __u16 family;          // enum address_family
};
SHUNT_ASSERT_SIZE(struct flow_to_forget, 60);
