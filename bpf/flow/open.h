// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The first packet of a flow: frontend, backend, and the two recipes that all later packets follow.
#pragma once

#include "bpf/decide/new_flow.h"
#include "bpf/flow/snat_port.h"
#include "bpf/route/epoch.h"

#define PUT_ATTEMPTS 4
#define SNAT_TRIES 16

// What both entries of a new flow have in common.
static __always_inline void recipe_begin(struct slow_path *slow, struct flow6 *flow, int request)
{
    *flow = (struct flow6){
        .recipe = {
            .last_seen = tick_now(),
            .service = slow->service,
            .watch = flow_watch(slow->request_key.protocol, request, FLOW_HALF_OPEN),
            .state = FLOW_HALF_OPEN,
        },
    };
}

// The request goes to the backend; who it comes from is the caller's.
static __always_inline void request_to_backend(struct slow_path *slow, const struct backend *backend)
{
    __builtin_memcpy(slow->request.daddr, backend->address, ADDRESS_SIZE);
    slow->request.recipe.dport = bpf_htons(backend->port);
}

// The reply goes to the client from the frontend.
static __always_inline void reply_from_frontend(struct slow_path *slow)
{
    address_copy(slow->reply.saddr, slow->request_key.daddr);
    address_copy(slow->reply.daddr, slow->request_key.saddr);
    slow->reply.recipe.sport = slow->request_key.dport;
    slow->reply.recipe.dport = slow->request_key.sport;
}

static __always_inline enum verdict flow_opened(__u32 service)
{
    count(FLOW_OPENED);
    count_service(service, flows_opened);
    return VERDICT_CONTINUE;
}

static __always_inline enum verdict flow_refused(__u32 service, enum event reason)
{
    count_service(service, drops);
    return drop(reason);
}

// What became of the pair; `taken`: what it means that another flow has the reply's key.
static __always_inline enum verdict flow_verdict(__u32 service, enum put_result result, enum event taken)
{
    switch (result) {
    case PUT_DONE:
        return flow_opened(service);
    case PUT_REQUEST_TAKEN:
        return VERDICT_CONTINUE;
    case PUT_REPLY_TAKEN:
        return flow_refused(service, taken);
    default:
        return flow_refused(service, DROP_FLOW_TABLE_FULL);
    }
}

static __always_inline enum verdict flow_without_route(__u32 service, enum verdict verdict)
{
    if (verdict == VERDICT_DROP)
        count_service(service, drops);
    return verdict;
}

// Where the table has no room for the pair, flows that are not established give way, the oldest first.
static __always_inline enum put_result flow_put_or_evict(struct slow_path *slow)
{
    enum put_result result = PUT_AGAIN;

    for (int i = 0; i < PUT_ATTEMPTS; i++) {
        result = flow_put(slow);
        if (result == PUT_NO_ROOM) {
            if (!slow->victim.state)
                break;
            if (flow_remove(slow, FLOW_IF_NOT_ESTABLISHED))
                count(FLOW_EVICTED);
        } else if (result != PUT_AGAIN) {
            break;
        }
    }
    return result;
}

// Up the stack with the client's address; the reply is met at egress. A global function, as in flow/table.h.
__noinline int flow_open_local(struct slow_path *slow)
{
    struct backend *backend;
    __u32 id;

    if (!slow)
        return VERDICT_DROP;
    id = slow->backend;
    backend = bpf_map_lookup_elem(&backends, &id);
    if (!backend)
        return VERDICT_DROP;
    recipe_begin(slow, &slow->request, 1);
    request_to_backend(slow, backend);
    address_copy(slow->request.saddr, slow->request_key.saddr);
    slow->request.recipe.sport = slow->request_key.sport;
    slow->request.recipe.ifindex = slow->ifindex;
    slow->request.recipe.next_hop = NEXT_HOP_STACK;
    recipe_set_differences(slow->family, &slow->request_key, &slow->request, 0);

    flow_partner_key(&slow->reply_key, &slow->request_key, &slow->request);
    recipe_begin(slow, &slow->reply, 0);
    reply_from_frontend(slow);
    slow->reply.recipe.opening = slow->request_key.protocol == TCP ? opening_of(slow) : 0;
    slow->reply.recipe.ifindex = slow->ifindex;
    __builtin_memcpy(slow->reply.recipe.macs, slow->last_hop, sizeof(slow->last_hop));
    recipe_set_differences(slow->family, &slow->reply_key, &slow->reply, 0);

    return flow_verdict(slow->service, flow_put_or_evict(slow), DROP_REPLY_KEY_TAKEN);
}

static __always_inline void flow_take_port(struct slow_path *slow, __be16 port)
{
    slow->request.recipe.sport = port;
    slow->reply_key.dport = port;
}

// Puts the pair with this source port.
__noinline int flow_put_with_port(struct slow_path *slow, __u16 port)
{
    if (!slow)
        return PUT_NO_ROOM;
    flow_take_port(slow, bpf_htons(port));
    recipe_set_differences(slow->family, &slow->request_key, &slow->request, 1);
    recipe_set_differences(slow->family, &slow->reply_key, &slow->reply, 1);
    return flow_put_or_evict(slow);
}

// The half-open rival that was silent for longest.
static __always_inline void note_rival(struct slow_path *slow, __u16 port)
{
    if (!flow_is_victim(slow->rival.state))
        return;
    if (slow->oldest.state && (__s16)(slow->rival.last_seen - slow->oldest.last_seen) >= 0)
        return;
    slow->oldest.state = slow->rival.state;
    slow->oldest.last_seen = slow->rival.last_seen;
    slow->oldest.port = bpf_htons(port);
}

// Claims a port: the first free one of a few, tried under the lock; else one of the others that looks free; else that of
// the oldest flow among the first few that is not established.
__noinline int flow_claim_port(struct slow_path *slow)
{
    struct snat_search search;
    enum put_result result = PUT_REPLY_TAKEN;

    if (!slow || !(slow->family == IPV4 ? snat_search_begin(IPV4, slow, &search) : snat_search_begin(IPV6, slow, &search)))
        return PUT_NO_ROOM;
    slow->oldest.state = 0;
    slow->tried = 0;
    for (__u32 attempt = 0; attempt < SNAT_TRIES_MAX; attempt++) {
        __u16 port = snat_port(&search, attempt);

        if (attempt * FLOW_STRIPES >= snat_port_count && attempt >= SNAT_CYCLE)
            break;
        if (!port)
            continue;
        if (slow->tried >= SNAT_TRIES) {
            flow_take_port(slow, bpf_htons(port));
            if (flow_is_taken(slow))
                continue;
        }
        slow->tried += 1;
        result = flow_put_with_port(slow, port);
        if (result != PUT_REPLY_TAKEN)
            return result;
        note_rival(slow, port);
    }
    if (!slow->oldest.state)
        return result;
    slow->victim.key = slow->reply_key;
    slow->victim.key.dport = slow->oldest.port;
    if (!flow_remove(slow, FLOW_IF_NOT_ESTABLISHED))
        return result;
    count(FLOW_EVICTED);
    return flow_put_with_port(slow, bpf_ntohs(slow->oldest.port));
}

// To another node, from this node's address; the reply is met at ingress and goes out by the device on which
// the request came in.
static __always_inline enum verdict flow_open_remote(void *ctx, struct slow_path *slow, const struct backend *backend)
{
    const struct control *control = control_get();
    __u8 protocol = slow->request_key.protocol;
    struct route *route = &slow->route;
    __u16 epoch = control ? control->route_epoch : 0;
    enum verdict verdict;

    recipe_begin(slow, &slow->request, 1);
    request_to_backend(slow, backend);
    *route = (struct route){.protocol = protocol, .ifindex = slow->ifindex, .dport = slow->request.recipe.dport};
    address_copy(route->daddr, slow->request.daddr);
    verdict = route_ask(ctx, slow);
    if (verdict != VERDICT_CONTINUE)
        return flow_without_route(slow->service, verdict);
    address_copy(slow->request.saddr, route->saddr);
    route_into_recipe(&slow->request.recipe, route, epoch);

    recipe_begin(slow, &slow->reply, 0);
    reply_from_frontend(slow);
    *route = (struct route){
        .protocol = protocol,
        .by_device = 1,
        .ifindex = slow->ifindex,
        .sport = slow->reply.recipe.sport,
        .dport = slow->reply.recipe.dport,
    };
    address_copy(route->saddr, slow->reply.saddr);
    address_copy(route->daddr, slow->reply.daddr);
    __builtin_memcpy(route->macs, slow->last_hop, sizeof(route->macs));
    verdict = route_ask(ctx, slow);
    if (verdict != VERDICT_CONTINUE)
        return flow_without_route(slow->service, verdict);
    route_into_recipe(&slow->reply.recipe, route, epoch);

    flow_partner_key(&slow->reply_key, &slow->request_key, &slow->request);
    return flow_verdict(slow->service, flow_claim_port(slow), DROP_SNAT_PORTS_EXHAUSTED);
}

static __always_inline enum verdict flow_open_to(void *ctx, struct slow_path *slow, const struct backend *backend)
{
    enum verdict verdict = backend->placement == BACKEND_LOCAL ? flow_open_local(slow) : flow_open_remote(ctx, slow, backend);

    if (verdict == VERDICT_CONTINUE && slow->request_key.protocol == TCP)
        unanswered_note(slow->family, slow->request.daddr, bpf_ntohs(slow->request.recipe.dport));
    return verdict;
}

static __always_inline enum verdict not_opened(const struct slow_path *slow, enum verdict verdict)
{
    __u32 reason = slow->reason;

    asm volatile("" : "+r"(reason));  // the verifier has to see the bound
    if (verdict == VERDICT_DROP && slow->service)
        count_service(slow->service, drops);
    if (reason < EVENT_COUNT)
        count(reason);
    return verdict;
}

// For the packet whose key is slow->request_key. VERDICT_CONTINUE: the flow is in the table. `is_rescue`: one is already, whose
// backend left the SYN unanswered; it stays as it is if no other can have it.
static __always_inline enum verdict flow_open(void *ctx, struct slow_path *slow, int is_rescue)
{
    struct backend *backend;
    enum verdict verdict;

    slow->is_rescue = is_rescue;
    verdict = new_flow_decide(slow);
    backend = bpf_map_lookup_elem(&backends, &slow->backend);
    if (verdict == VERDICT_CONTINUE && !backend)
        verdict = decided(slow, VERDICT_DROP, DROP_STALE_SLOT);
    if (is_rescue) {
        if (verdict != VERDICT_CONTINUE)
            return VERDICT_CONTINUE;
        slow->victim.key = slow->request_key;
        if (!flow_remove(slow, FLOW_IF_HALF_OPEN))
            return VERDICT_CONTINUE;
        count(FLOW_RESCUED);
        count_service(slow->service, rescued);
    }
    if (verdict != VERDICT_CONTINUE || !backend)
        return not_opened(slow, verdict);
    return flow_open_to(ctx, slow, backend);
}
