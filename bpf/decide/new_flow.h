// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// May a packet without a flow open one, and to which backend? All of what Kubernetes says of that, in its order: frontend,
// source ranges, traffic policy, endpoints, affinity, consistent hash.
#pragma once

#include "bpf/decide/affinity.h"
#include "bpf/decide/backend.h"
#include "bpf/decide/frontend.h"
#include "bpf/decide/source_range.h"
#include "bpf/decide/unanswered.h"
#include "bpf/flow/state.h"

enum answer {
    ANSWER_NOTHING,
    ANSWER_REFUSAL,  // TCP reset, ICMP port unreachable
    ANSWER_ECHO,
};

static __always_inline int is_draining(void)
{
    const struct control *control = control_get();

    return control && control->drain != DRAIN_NONE;
}

// Of slow->slice for the packet, into slow->backend; 0: its slots are stale or, for a rescue, there is no other.
// A global function, as in flow/table.h.
__noinline int backend_choose(struct slow_path *slow)
{
    __u32 first = 0, skipped = 0;
    __u64 hash;

    if (!slow)
        return 0;
    slow->backend = slow->affinity_timeout_s ? affinity_find(slow) : 0;
    if (slow->backend) {
        if (slow->is_rescue)
            slow->backend = 0;  // the client stays where it is
        return 0;
    }
    hash = backend_hash(slow->request_key.saddr, slow->request_key.sport, slow->request_key.dport,
                        slow->request_key.protocol, slow->affinity_timeout_s != 0);
#pragma clang loop unroll(disable)
    for (__u32 attempt = 0; attempt < BACKEND_TRIES; attempt++) {
        struct backend *backend;
        __u32 id;

        hash = backend_next_hash(hash, attempt);
        id = backend_in_slice(slow->slice, hash);
        backend = bpf_map_lookup_elem(&backends, &id);
        if (!backend || (slow->is_rescue && backend_is_at(backend, slow->found.daddr, slow->found.recipe.dport)))
            continue;
        if (!first)
            first = id;
        if (slow->request_key.protocol != TCP || !unanswered_shuns(backend, slow->is_rescue)) {
            slow->backend = id;
            break;
        }
        skipped = 1;
    }
    if (!slow->backend) {
        slow->backend = first;  // none of them answers: then any
    } else if (skipped) {
        count(FLOW_BACKEND_SKIPPED);
        count_service(slow->service, skipped);
    }
    return 0;
}

static __always_inline int decided(struct slow_path *slow, enum verdict verdict, enum event reason)
{
    slow->reason = reason;
    return verdict;
}

// To an address of ours, but to none of its frontends.
static __always_inline int decide_by_address(struct slow_path *slow, struct frontend_key *key)
{
    // SCTP is kube-proxy's.
    if (is_draining() || slow->request_key.protocol == IPPROTO_SCTP || !frontend_has_address(key))
        return decided(slow, VERDICT_PASS, EVENT_COUNT);
    if (slow->answer != ANSWER_ECHO)
        return decided(slow, VERDICT_DROP, DROP_VIP_OTHER_PORT);
    return decided(slow, VERDICT_ANSWER, EVENT_COUNT);
}

// For the packet whose key is slow->request_key. VERDICT_CONTINUE: slow->backend of slow->service gets it. Counts nothing of what
// it decides, but says for what in slow->reason. A global function, as in flow/table.h.
__noinline int new_flow_decide(struct slow_path *slow)
{
    struct frontend_key key;
    struct frontend *frontend;
    struct service *service;
    __u32 id;

    if (!slow)
        return VERDICT_PASS;
    slow->service = 0;
    key = frontend_key_of(slow);
    frontend = bpf_map_lookup_elem(&frontends, &key);
    if (!frontend)
        return decide_by_address(slow, &key);
    if (is_draining() || (slow->request_key.protocol == TCP && !is_opening_syn(slow->flags)))
        return decided(slow, VERDICT_PASS, PASSED_NO_FLOW);
    slow->service = id = frontend->service;
    service = bpf_map_lookup_elem(&services, &id);
    if (!service)
        return decided(slow, VERDICT_DROP, DROP_STALE_SLOT);
    if (frontend->kind == FRONTEND_LOAD_BALANCER && service->source_ranges && !client_is_in_range(slow, slow->service))
        return decided(slow, VERDICT_DROP, DROP_SOURCE_RANGE);
    slow->local_only = service->external_policy == POLICY_LOCAL && !client_is_in_range(slow, CLUSTER_RANGES);
    slow->slice = slow->local_only ? READ_ONCE(service->local_slice) : READ_ONCE(service->slice);
    if (!SERVICE_SLICE_SIZE(slow->slice)) {
        if (slow->local_only && SERVICE_SLICE_SIZE(READ_ONCE(service->slice)))
            return decided(slow, VERDICT_DROP, DROP_NO_LOCAL_ENDPOINT);
        slow->answer = ANSWER_REFUSAL;
        return decided(slow, VERDICT_ANSWER, EVENT_COUNT);
    }
    slow->affinity_timeout_s = service->affinity_timeout_s;
    backend_choose(slow);
    return slow->backend ? decided(slow, VERDICT_CONTINUE, EVENT_COUNT) : decided(slow, VERDICT_DROP, DROP_STALE_SLOT);
}
