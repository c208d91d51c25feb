// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `source_ranges`: which clients may come to a service's load-balancer addresses (spec.loadBalancerSourceRanges), and, as
// service 0, which are part of the cluster (--cluster-cidr). A trie of prefixes. Written by the agent, read by the slow path
// for the first packet of a flow. A miss: the client is in none of the ranges.
#pragma once

#include "types.h"

#define SOURCE_RANGES_MAX 65536
#define CLUSTER_RANGES 0  // as `service`

struct source_range_key {
    __u32 prefix_length;  // bits that count, from `service` on: SOURCE_RANGE_BITS and those of the prefix
    __u32 service;        // key of `services`, or CLUSTER_RANGES
    enum address_family family;
    __u8 address[ADDRESS_SIZE];
};
SHUNT_ASSERT_SIZE(struct source_range_key, 28);
SHUNT_ASSERT_KEY(struct source_range_key);

#define SOURCE_RANGE_BITS 64

struct source_range {
    __u32 prefix_length;  // of the prefix alone, as written; for people
};
SHUNT_ASSERT_SIZE(struct source_range, 4);
