// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The packet's way once it is parsed: one look-up, its recipe, out. What a recipe cannot answer is for
// flow/slow_path.h, a program of its own.
#pragma once

#include "bpf/clock.h"
#include "bpf/decide/frontend.h"
#include "bpf/flow/snat_port.h"
#include "bpf/packet/rewrite.h"

struct flow_of_packet {
    struct flow_found found;
    struct flow_words key;
    __u8 hook;  // of the key
};

// The key of the packet's entry, and the entry. At ingress a port of the SNAT range says that the packet is likely a
// backend's reply; if it is not (a frontend or client with such a port), it is looked up as a request too.
static __always_inline struct flow_of_packet flow_of_packet(const enum address_family family,
                                                            const struct packet *packet)
{
    struct flow_of_packet flow = {
        .hook = packet->hook == HOOK_TC_EGRESS        ? FLOW_EGRESS
                : snat_has_port(packet->dport) ? FLOW_INGRESS_SNAT
                                               : FLOW_INGRESS,
    };

#pragma clang loop unroll(disable)
    for (int i = 0; i < 2; i++) {
        flow.key = flow_words_of_packet(family, packet, flow.hook);
        flow.found = flow_find(family, &flow.key, flow.hook);
        if (flow.found.recipe || flow.hook != FLOW_INGRESS_SNAT)
            break;
        flow.hook = FLOW_INGRESS;
    }
    return flow;
}

// Without the neighbour's MAC address only tc can send; neither can XDP by a device that takes no frames from it.
static __always_inline enum verdict way_out(const struct packet *packet, const struct recipe *recipe)
{
    if (packet->hook != HOOK_XDP)
        return VERDICT_SEND;
    if (likely(recipe->ifindex == packet->ifindex && recipe->next_hop & NEXT_HOP_XDP_TX))
        return VERDICT_SEND_BACK;
    return recipe->next_hop & NEXT_HOP_XDP_REDIRECT ? VERDICT_SEND : VERDICT_HAND_TO_TC;
}

// To a pod of this node. The stack sees to TTL, MTU and the way.
static __always_inline enum verdict follow_local_request(struct packet *packet, const struct recipe *recipe,
                                                         const enum address_family family)
{
    return rewrite(packet, recipe, family, 0) ? drop(DROP_REWRITE_FAILED) : VERDICT_DELIVER;
}

// From a pod of this node: as the stack sends it, unless that is by another device than the one its request came in on.
static __always_inline enum verdict follow_local_reply(struct packet *packet, const struct recipe *recipe,
                                                       const enum address_family family)
{
    int elsewhere = recipe->ifindex != packet->ifindex;

    if (rewrite(packet, recipe, family, 0) || (elsewhere && rewrite_macs(packet, recipe)))
        return drop(DROP_REWRITE_FAILED);
    return elsewhere ? VERDICT_SEND : VERDICT_DELIVER;
}

// Between the client and a backend on another node.
static __always_inline enum verdict follow_remote(struct packet *packet, const struct recipe *recipe,
                                                  const enum address_family family)
{
    enum verdict verdict;

    if (unlikely(recipe->mtu && packet->l3_length > recipe->mtu))
        return pass(PASSED_OVER_MTU);
    if (unlikely(packet->hop_limit <= 1))
        return drop(DROP_TTL_EXCEEDED);
    verdict = way_out(packet, recipe);
    if (unlikely(verdict == VERDICT_HAND_TO_TC))
        return verdict;
    if (rewrite(packet, recipe, family, 1) || rewrite_hop_limit(packet, family) || rewrite_macs(packet, recipe))
        return drop(DROP_REWRITE_FAILED);
    return verdict;
}

static __always_inline enum verdict follow(struct packet *packet, const struct flow_found *flow, enum recipe_kind kind,
                                           const enum address_family family)
{
    enum verdict verdict;

    packet->out_ifindex = flow->recipe->ifindex;
    packet->resolve = flow->recipe->next_hop == NEXT_HOP_UNRESOLVED;
    if (packet->hook == HOOK_TC_EGRESS)
        verdict = follow_local_reply(packet, flow->recipe, family);
    else if (kind == RECIPE_LOCAL_REQUEST)
        verdict = follow_local_request(packet, flow->recipe, family);
    else
        verdict = follow_remote(packet, flow->recipe, family);
    if (!verdict_is_forwarded(verdict))
        return verdict;
    if (unlikely(!flow_holds(flow)))
        return drop(DROP_FLOW_CHANGED);
    count(FORWARDED_LOCAL_REQUEST + (kind - RECIPE_LOCAL_REQUEST));
    return verdict;
}

// Does the packet leave by a way of ours? A local reply does if it would go by another device than the one its
// request came in on.
static __always_inline int needs_next_hop(const struct packet *packet, const struct recipe *recipe,
                                          enum recipe_kind kind)
{
    if (packet->hook == HOOK_TC_EGRESS)
        return unlikely(recipe->ifindex != packet->ifindex);
    return kind != RECIPE_LOCAL_REQUEST;
}

static __always_inline int next_hop_is_stale(const struct recipe *recipe, int second_passed, __u32 now)
{
    const struct control *control = control_get();

    if (!control)
        return 0;
    return recipe->epoch != (__u16)control->route_epoch || recipe->next_hop == NEXT_HOP_UNRESOLVED ||
           (second_passed && agent_is_silent(control, now));
}

// What most packets need: a recipe that answers all. VERDICT_SLOW: the slow path has to see this one.
static __always_inline enum verdict forward(struct packet *packet, const enum address_family family)
{
    struct flow_of_packet flow = flow_of_packet(family, packet);
    struct recipe *recipe = flow.found.recipe;
    enum recipe_kind kind;
    int second_passed;
    __u32 now;

    if (!recipe) {
        if (packet->hook == HOOK_TC_EGRESS || !frontend_of_packet(packet, family))
            return VERDICT_PASS;
        return VERDICT_SLOW;
    }
    if (unlikely(packet->flags & recipe->watch))
        return VERDICT_SLOW;
    now = tick_now();
    second_passed = recipe->last_seen != (__u16)now;
    if (second_passed)
        recipe->last_seen = now;
    kind = recipe_kind_of(flow.hook, recipe->next_hop);
    if (needs_next_hop(packet, recipe, kind) && unlikely(next_hop_is_stale(recipe, second_passed, now)))
        return VERDICT_SLOW;
    return follow(packet, &flow.found, kind, family);
}
