// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Is the client of slow->request_key in one of the service's ranges, or (CLUSTER_RANGES) part of the cluster?
#pragma once

#include "bpf/maps.h"
#include "bpf/packet/packet.h"

static __always_inline int client_is_in_range(const struct slow_path *slow, __u32 service)
{
    struct source_range_key key = {
        .prefix_length = SOURCE_RANGE_BITS + (slow->family == IPV4 ? 32 : 128),
        .service = service,
        .family = slow->family,
    };

    __builtin_memcpy(key.address, slow->request_key.saddr, ADDRESS_SIZE);
    return bpf_map_lookup_elem(&source_ranges, &key) != 0;
}
