// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// sessionAffinity ClientIP: where the client went last.
#pragma once

#include "bpf/decide/backend.h"
#include "bpf/maps.h"

static __always_inline struct affinity_key affinity_key(const __be32 *client, __u32 service)
{
    struct affinity_key key = {.service = service};

    __builtin_memcpy(key.client, client, ADDRESS_SIZE);
    return key;
}

// Of the service and client of slow->request_key: the backend's id, if it takes new flows; else 0.
static __always_inline __u32 affinity_find(const struct slow_path *slow)
{
    struct affinity_key key = affinity_key(slow->request_key.saddr, slow->service);
    struct affinity *entry = bpf_map_lookup_elem(&affinity, &key);
    struct backend *backend;

    if (!entry || bpf_ktime_get_coarse_ns() - entry->last_used_ns >= slow->affinity_timeout_s * 1000000000ull)
        return 0;
    backend = bpf_map_lookup_elem(&backends, &entry->backend);
    if (!backend || backend->service != slow->service || !backend->slots ||
        !backend_is_at(backend, (const __be32 *)entry->address, bpf_htons(entry->port)) ||
        (slow->local_only && backend->placement != BACKEND_LOCAL))
        return 0;
    return entry->backend;
}

// Of the flow whose keys stand in slow->request_key and slow->reply_key, whichever direction the packet was of.
static __always_inline const struct flow6_key *key_of_request(const struct slow_path *slow)
{
    return slow->request_key.hook == FLOW_INGRESS ? &slow->request_key : &slow->reply_key;
}

static __always_inline const struct flow6_key *key_of_reply(const struct slow_path *slow)
{
    return slow->request_key.hook == FLOW_INGRESS ? &slow->reply_key : &slow->request_key;
}

// The id of that flow's backend among those that its client may get from this slice; 0: it is not there. A global function, as in
// flow/table.h.
__noinline int affinity_identify(struct slow_path *slow, __u64 slice)
{
    __u64 hash;

    if (!slow || !SERVICE_SLICE_SIZE(slice))
        return 0;
    hash = backend_hash(key_of_request(slow)->saddr, 0, 0, 0, 1);
#pragma clang loop unroll(disable)
    for (__u32 attempt = 0; attempt < BACKEND_TRIES; attempt++) {
        struct backend *backend;
        __u32 id;

        hash = backend_next_hash(hash, attempt);
        id = backend_in_slice(slice, hash);
        backend = bpf_map_lookup_elem(&backends, &id);
        if (backend && backend_is_at(backend, key_of_reply(slow)->saddr, key_of_reply(slow)->sport))
            return id;
    }
    return 0;
}

// That flow, slow->found, is established: its client stays with its backend. A global function, as in flow/table.h.
__noinline int affinity_note(struct slow_path *slow)
{
    const struct flow6_key *request, *reply;
    struct affinity_key key;
    struct affinity *known;
    struct affinity entry = {};
    struct service *service;
    __u32 id;

    if (!slow)
        return 0;
    id = slow->found.recipe.service;
    service = bpf_map_lookup_elem(&services, &id);
    if (!service || !service->affinity_timeout_s)
        return 0;
    request = key_of_request(slow);
    reply = key_of_reply(slow);
    key = affinity_key(request->saddr, id);
    entry.last_used_ns = bpf_ktime_get_coarse_ns();
    entry.port = bpf_ntohs(reply->sport);
    __builtin_memcpy(entry.address, reply->saddr, ADDRESS_SIZE);
    known = bpf_map_lookup_elem(&affinity, &key);
    if (known && known->port == entry.port &&
        __builtin_memcmp(known->address, entry.address, ADDRESS_SIZE) == 0) {
        known->last_used_ns = entry.last_used_ns;
        return 0;
    }
    if (service->external_policy == POLICY_LOCAL)
        entry.backend = affinity_identify(slow, service->local_slice);
    if (!entry.backend)
        entry.backend = affinity_identify(slow, service->slice);
    if (entry.backend)
        bpf_map_update_elem(&affinity, &key, &entry, BPF_ANY);
    return 0;
}
