// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `services`: one Service port of one address family, by id. Written by the agent; the slow path reads
// the slice, everybody else reads the rest. A service that shunt does not serve stands here too, without
// frontends, so that `shunt services` can say why.
#pragma once

#include "types.h"

#define SERVICE_NAMESPACE_SIZE 64  // RFC 1123 label and a NUL
#define SERVICE_NAME_SIZE 64
#define PORT_NAME_SIZE 64
#define SERVICES_MAX 65536

enum service_type {
    SERVICE_CLUSTER_IP = 1,
    SERVICE_NODE_PORT = 2,
    SERVICE_LOAD_BALANCER = 3,
};

// Served, or left to the stack and why. Feeds `shunt services`.
enum service_treatment {
    SERVED = 1,
    LEFT_NO_EXTERNAL_FRONTEND = 2,  // only ClusterIPs: kube-proxy serves those
    LEFT_SNAT_PORT_CLASH = 3,       // a frontend on a SNAT address with a port in the SNAT range
    LEFT_NO_ROOM = 4,               // a map is full
    LEFT_FRONTEND_TAKEN = 5,        // another Service has one of its frontends
};

// spec.externalTrafficPolicy
enum traffic_policy {
    POLICY_CLUSTER = 1,
    POLICY_LOCAL = 2,  // endpoints of this node alone, but for clients that are part of the cluster
};

struct service {
    char service_namespace[SERVICE_NAMESPACE_SIZE];
    char name[SERVICE_NAME_SIZE];
    char port_name[PORT_NAME_SIZE];  // empty for an unnamed port
    enum address_family family;
    enum l4_protocol protocol;
    enum service_type type;
    enum service_treatment treatment;
    __u16 port;       // spec.ports[].port
    __u16 node_port;  // 0: none
    enum traffic_policy external_policy;
    // Slices of `slots`: offset in the high 32 bits, size in the low 32; size 0: no usable endpoint.
    // One aligned store replaces each, so that a reader never sees an offset with another slice's size.
    __u64 slice;        // of the endpoints of the whole cluster
    __u64 local_slice;  // of this node's, for POLICY_LOCAL; else 0
    __u32 affinity_timeout_s;  // sessionAffinity ClientIP: how long a client stays; 0: no affinity
    __u32 source_ranges;       // how many `source_ranges` has for it; 0: every client may come
};
SHUNT_ASSERT_SIZE(struct service, 240);

#define SERVICE_SLICE(offset, size) (((__u64)(offset) << 32) | (__u32)(size))
#define SERVICE_SLICE_OFFSET(slice) ((__u32)((slice) >> 32))
#define SERVICE_SLICE_SIZE(slice) ((__u32)(slice))

// `service_counters`: per CPU, by service id, made and removed by the agent with the service.
struct service_counters {
    __u64 flows_opened;
    __u64 drops;
    __u64 rescued;  // a SYN that was sent again and went to another backend
    __u64 skipped;  // new flows that passed over a backend which left its last SYNs unanswered
};
SHUNT_ASSERT_SIZE(struct service_counters, 32);
