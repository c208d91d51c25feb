// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The first packet of a flow: frontend, backend, and the two recipes that all later packets follow.
#pragma once

#include "bpf/decide/backend.h"
#include "bpf/decide/frontend.h"
#include "bpf/flow/snat_port.h"
#include "bpf/flow/state.h"
#include "bpf/packet/checksum.h"
#include "bpf/route/epoch.h"

// RFC 1624 difference of a TTL that goes down by one: the TTL is the high byte of its word.
#define TTL_DIFFERENCE ((__u16)~bpf_htons(0x0100))

static __always_inline void recipe_set_differences(enum address_family family, const struct flow6_key *key,
                                                   struct flow6 *flow, int sent_out)
{
    int words = family == IPV4 ? 1 : 4;
    __u32 addresses = checksum_difference32(key->saddr, flow->saddr, words) +
                      checksum_difference32(key->daddr, flow->daddr, words);
    __u32 ports = checksum_difference16(key->sport, flow->recipe.sport) +
                  checksum_difference16(key->dport, flow->recipe.dport);

    flow->recipe.address_delta = checksum_fold(addresses);
    flow->recipe.port_delta = checksum_fold(ports);
    flow->recipe.l4_delta = checksum_fold(addresses + ports);
    flow->recipe.ip_delta = checksum_fold(addresses + (sent_out ? TTL_DIFFERENCE : 0));
}

// What both entries of a new flow have in common.
static __always_inline void recipe_begin(struct flow6 *flow, __u8 kind, __u8 protocol, __u32 service, __u32 backend)
{
    *flow = (struct flow6){
        .recipe = {.last_seen = tick_now(), .service = service, .backend = backend, .kind = kind},
    };
    flow_change_state(&flow->recipe, protocol, FLOW_HALF_OPEN);
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
    count_service_flow(service);
    return VERDICT_CONTINUE;
}

static __always_inline enum verdict flow_refused(__u32 service, enum event reason)
{
    count_service_drop(service);
    return drop(reason);
}

static __always_inline enum verdict flow_without_route(__u32 service, enum verdict verdict)
{
    if (verdict == VERDICT_DROP)
        count_service_drop(service);
    return verdict;
}

// Up the stack with the client's address; the reply is met at egress.
static __always_inline enum verdict flow_open_local(struct slow_path *slow, __u32 service, __u32 backend_id,
                                                    const struct backend *backend)
{
    __u8 protocol = slow->request_key.protocol;
    struct recipe *existing;

    recipe_begin(&slow->request, RECIPE_LOCAL_REQUEST, protocol, service, backend_id);
    request_to_backend(slow, backend);
    address_copy(slow->request.saddr, slow->request_key.saddr);
    slow->request.recipe.sport = slow->request_key.sport;
    slow->request.recipe.ifindex = slow->ifindex;
    recipe_set_differences(slow->family, &slow->request_key, &slow->request, 0);

    flow_partner_key(&slow->reply_key, protocol, &slow->request);
    recipe_begin(&slow->reply, RECIPE_LOCAL_REPLY, protocol, service, backend_id);
    reply_from_frontend(slow);
    slow->reply.recipe.ifindex = slow->ifindex;
    __builtin_memcpy(slow->reply.recipe.macs, slow->last_hop, sizeof(slow->last_hop));
    recipe_set_differences(slow->family, &slow->reply_key, &slow->reply, 0);

    switch (flow_put_pair(slow->family, slow)) {
    case PUT_DONE:
        return flow_opened(service);
    case PUT_REQUEST_TAKEN:
        return VERDICT_CONTINUE;
    case PUT_REPLY_TAKEN:
        existing = flow_find(slow->family, &slow->request_key);
        return existing ? VERDICT_CONTINUE : flow_refused(service, DROP_REPLY_KEY_TAKEN);
    default:
        return flow_refused(service, DROP_FLOW_TABLE_FULL);
    }
}

// Claims the first free port of a few tries.
static __always_inline enum verdict flow_claim_port(struct slow_path *slow, __u32 service)
{
    __u64 client_hash = backend_hash(&slow->request_key);

    for (__u32 attempt = 0; attempt < SNAT_TRIES; attempt++) {
        __be16 port = bpf_htons(snat_port(client_hash, attempt));

        slow->request.recipe.sport = port;
        slow->reply_key.dport = port;
        recipe_set_differences(slow->family, &slow->request_key, &slow->request, 1);
        recipe_set_differences(slow->family, &slow->reply_key, &slow->reply, 1);
        switch (flow_put_pair(slow->family, slow)) {
        case PUT_DONE:
            return flow_opened(service);
        case PUT_REQUEST_TAKEN:
            return VERDICT_CONTINUE;
        case PUT_REPLY_TAKEN:
            break;
        default:
            return flow_refused(service, DROP_FLOW_TABLE_FULL);
        }
    }
    return flow_refused(service, DROP_SNAT_PORTS_EXHAUSTED);
}

// To another node, from this node's address; the reply is met at ingress and goes out by the device on which
// the request came in.
static __always_inline enum verdict flow_open_remote(void *ctx, struct slow_path *slow, __u32 service,
                                                     __u32 backend_id, const struct backend *backend)
{
    const struct control *control = control_get();
    __u8 protocol = slow->request_key.protocol;
    struct route *route = &slow->route;
    __u16 epoch = control ? control->route_epoch : 0;
    enum verdict verdict;

    recipe_begin(&slow->request, RECIPE_REMOTE_REQUEST, protocol, service, backend_id);
    request_to_backend(slow, backend);
    *route = (struct route){.protocol = protocol, .ifindex = slow->ifindex, .dport = slow->request.recipe.dport};
    address_copy(route->daddr, slow->request.daddr);
    verdict = route_ask(ctx, slow);
    if (verdict != VERDICT_CONTINUE)
        return flow_without_route(service, verdict);
    address_copy(slow->request.saddr, route->saddr);
    route_into_recipe(&slow->request.recipe, route, epoch);

    recipe_begin(&slow->reply, RECIPE_REMOTE_REPLY, protocol, service, backend_id);
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
        return flow_without_route(service, verdict);
    route_into_recipe(&slow->reply.recipe, route, epoch);

    flow_partner_key(&slow->reply_key, protocol, &slow->request);
    return flow_claim_port(slow, service);
}

// For the packet whose key is slow->request_key. VERDICT_CONTINUE: the flow is in the table.
static __always_inline enum verdict flow_open(void *ctx, struct slow_path *slow)
{
    struct frontend *frontend = frontend_find(slow);
    struct service *service;
    struct backend *backend;
    __u32 service_id, backend_id;

    if (!frontend)
        return VERDICT_PASS;
    if (slow->request_key.protocol == TCP && !is_opening_syn(slow->flags))
        return pass(PASSED_NO_FLOW);
    service_id = frontend->service;
    service = bpf_map_lookup_elem(&services, &service_id);
    if (!service)
        return drop(DROP_STALE_SLOT);
    backend_id = backend_pick(service, &slow->request_key);
    if (!backend_id)
        return pass(PASSED_NO_ENDPOINTS);
    backend = bpf_map_lookup_elem(&backends, &backend_id);
    if (!backend)
        return flow_refused(service_id, DROP_STALE_SLOT);
    if (backend->placement == BACKEND_LOCAL)
        return flow_open_local(slow, service_id, backend_id, backend);
    return flow_open_remote(ctx, slow, service_id, backend_id, backend);
}
