// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Source ports towards backends on other nodes. A port is taken when its reply key is: (backend, node address,
// port). So each backend has the whole range, and a port is free again with its flow.
#pragma once

#include "bpf/decide/hash.h"
#include "bpf/flow/table.h"

const volatile __u32 snat_port_min = 10240;
const volatile __u32 snat_port_count = 16384;

#define SNAT_TRIES 16

// The port of try `attempt` for this flow: a start and an odd step from the client's hash, so that clients that
// begin together do not go on together.
static __always_inline __u16 snat_port(__u64 client_hash, __u32 attempt)
{
    __u32 step = (client_hash >> 40) | 1;

    return snat_port_min + ((__u32)client_hash + attempt * step) % snat_port_count;
}
