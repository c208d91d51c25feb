// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The packet's way once it is parsed: one look-up, its recipe, out. What a recipe cannot answer goes through
// flow_slow_path and comes back.
#pragma once

#include "bpf/flow/open.h"
#include "bpf/packet/rewrite.h"

// The packet has no flow, or its flow watches for packets like it. VERDICT_CONTINUE: look again.
static __noinline enum verdict flow_slow_path(void *ctx, struct slow_path *slow, struct recipe *recipe)
{
    if (recipe && !flow_note(slow, recipe))
        return VERDICT_CONTINUE;
    return flow_open(ctx, slow);
}

static __always_inline struct slow_path *slow_path_enter(const struct packet *packet, const enum address_family family,
                                                         const struct flow4_key *key4, const struct flow6_key *key6,
                                                         const struct recipe *recipe)
{
    __u32 zero = 0;
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);

    if (!slow)
        return 0;
    slow->family = family;
    slow->hook = packet->hook;
    slow->ifindex = packet->ifindex;
    slow->flags = packet->flags;
    if (family == IPV4)
        flow_key_widen(&slow->request_key, key4);
    else
        slow->request_key = *key6;
    if (recipe)
        flow_widen(family, &slow->found, recipe);
    return slow;
}

// Without its MAC address only tc can send; neither can XDP by a device that takes no frames from it.
static __always_inline int xdp_can_send(const struct packet *packet, const struct recipe *recipe)
{
    return recipe->next_hop == NEXT_HOP_XDP ||
           (recipe->next_hop == NEXT_HOP_TC && recipe->ifindex == packet->ifindex);
}

// A request to, or a reply from, a backend on another node.
static __always_inline enum verdict follow_out(struct packet *packet, struct recipe *recipe,
                                               const enum address_family family)
{
    if (unlikely(recipe->mtu && packet->l3_length > recipe->mtu))
        return pass(PASSED_OVER_MTU);
    if (unlikely(packet->hop_limit <= 1))
        return drop(DROP_TTL_EXCEEDED);
    if (packet->hook == HOOK_XDP && unlikely(!xdp_can_send(packet, recipe)))
        return VERDICT_HAND_TO_TC;
    packet->out_ifindex = recipe->ifindex;
    packet->resolve = recipe->next_hop == NEXT_HOP_UNRESOLVED;
    if (rewrite(packet, recipe, family, 1))
        return drop(DROP_REWRITE_FAILED);
    count(recipe->kind == RECIPE_REMOTE_REQUEST ? FORWARDED_REMOTE_REQUEST : FORWARDED_REMOTE_REPLY);
    return VERDICT_SEND;
}

static __always_inline enum verdict follow_request_up(struct packet *packet, struct recipe *recipe,
                                                      const enum address_family family)
{
    if (rewrite(packet, recipe, family, 0))
        return drop(DROP_REWRITE_FAILED);
    count(FORWARDED_LOCAL_REQUEST);
    return VERDICT_DELIVER;
}

// Out by the device that the request came in on, as long as it is there.
static __always_inline enum verdict follow_reply_down(struct packet *packet, struct recipe *recipe,
                                                      const enum address_family family)
{
    __u32 ifindex = recipe->ifindex;

    if (rewrite(packet, recipe, family, 0))
        return drop(DROP_REWRITE_FAILED);
    count(FORWARDED_LOCAL_REPLY);
    if (likely(ifindex == packet->ifindex) || !bpf_map_lookup_elem(&devices, &ifindex))
        return VERDICT_DELIVER;
    packet->out_ifindex = ifindex;
    packet->resolve = 1;
    return VERDICT_SEND;
}

static __always_inline struct recipe *find(const enum address_family family, const struct flow4_key *key4,
                                           const struct flow6_key *key6)
{
    return family == IPV4 ? flow_find4(key4) : flow_find6(key6);
}

static __always_inline enum verdict forward(struct packet *packet, const enum address_family family)
{
    const struct control *control;
    struct flow4_key key4;
    struct flow6_key key6;
    struct recipe *recipe;
    struct slow_path *slow;
    enum verdict verdict;
    int second_passed;
    __u32 now;

    if (family == IPV4)
        key4 = flow4_key_of(packet);
    else
        flow6_key_of(&key6, packet);
    recipe = find(family, &key4, &key6);
    if (!recipe && packet->hook == HOOK_TC_EGRESS)
        return VERDICT_PASS;
    if (unlikely(!recipe || packet->flags & recipe->watch)) {
        slow = slow_path_enter(packet, family, &key4, &key6, recipe);
        if (!slow)
            return VERDICT_PASS;
        verdict = flow_slow_path(packet->ctx, slow, recipe);
        if (verdict != VERDICT_CONTINUE)
            return verdict;
        recipe = find(family, &key4, &key6);
        if (!recipe)
            return drop(DROP_FLOW_TABLE_FULL);
    }

    now = tick_now();
    second_passed = recipe->last_seen != now;
    if (second_passed)
        recipe->last_seen = now;
    if (recipe->kind == RECIPE_LOCAL_REQUEST)
        return follow_request_up(packet, recipe, family);
    if (recipe->kind == RECIPE_LOCAL_REPLY)
        return follow_reply_down(packet, recipe, family);

    control = control_get();
    if (!control)
        return VERDICT_PASS;
    if (unlikely(recipe->epoch != (__u16)control->route_epoch || recipe->next_hop == NEXT_HOP_UNRESOLVED ||
                 (second_passed && agent_is_silent(control, now)))) {
        slow = slow_path_enter(packet, family, &key4, &key6, recipe);
        if (!slow)
            return VERDICT_PASS;
        verdict = route_refresh(packet->ctx, slow, recipe);
        if (verdict != VERDICT_CONTINUE)
            return verdict;
    }
    return follow_out(packet, recipe, family);
}
