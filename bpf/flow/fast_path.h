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
    struct ethhdr *ethernet = packet->data;
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);

    if (!slow)
        return 0;
    slow->family = family;
    slow->ifindex = packet->ifindex;
    slow->flags = packet->flags;
    if ((void *)(ethernet + 1) <= packet->data_end) {
        __builtin_memcpy(slow->last_hop, ethernet->h_source, ETH_ALEN);
        __builtin_memcpy(slow->last_hop + ETH_ALEN, ethernet->h_dest, ETH_ALEN);
    }
    if (family == IPV4)
        flow_key_widen(&slow->request_key, key4);
    else
        slow->request_key = *key6;
    if (recipe)
        flow_widen(family, &slow->found, recipe);
    return slow;
}

// Without the neighbour's MAC address only tc can send; neither can XDP by a device that takes no frames from it.
static __always_inline enum verdict xdp_way_out(const struct packet *packet, const struct recipe *recipe)
{
    if (likely(recipe->ifindex == packet->ifindex && recipe->next_hop & NEXT_HOP_XDP_TX))
        return VERDICT_SEND_BACK;
    return recipe->next_hop & NEXT_HOP_XDP_REDIRECT ? VERDICT_SEND : VERDICT_HAND_TO_TC;
}

// Does the packet leave by a way of ours? A local reply does if it would go by another device than the one its
// request came in on.
static __always_inline int needs_next_hop(const struct packet *packet, const struct recipe *recipe)
{
    if (recipe->kind == RECIPE_LOCAL_REQUEST)
        return 0;
    return recipe->kind != RECIPE_LOCAL_REPLY || unlikely(recipe->ifindex != packet->ifindex);
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
    verdict = packet->hook == HOOK_XDP ? xdp_way_out(packet, recipe) : VERDICT_SEND;
    if (unlikely(verdict == VERDICT_HAND_TO_TC))
        return verdict;
    if (rewrite(packet, recipe, family) || rewrite_hop_limit(packet, family) || rewrite_macs(packet, recipe))
        return drop(DROP_REWRITE_FAILED);
    count(recipe->kind == RECIPE_REMOTE_REQUEST ? FORWARDED_REMOTE_REQUEST : FORWARDED_REMOTE_REPLY);
    return verdict;
}

// To or from a pod of this node. The stack sees to TTL and MTU.
static __always_inline enum verdict follow_local(struct packet *packet, const struct recipe *recipe,
                                                 const enum address_family family, int out)
{
    if (rewrite(packet, recipe, family) || (out && rewrite_macs(packet, recipe)))
        return drop(DROP_REWRITE_FAILED);
    count(recipe->kind == RECIPE_LOCAL_REQUEST ? FORWARDED_LOCAL_REQUEST : FORWARDED_LOCAL_REPLY);
    return out ? VERDICT_SEND : VERDICT_DELIVER;
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
    if (!needs_next_hop(packet, recipe))
        return follow_local(packet, recipe, family, 0);

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
    packet->out_ifindex = recipe->ifindex;
    packet->resolve = recipe->next_hop == NEXT_HOP_UNRESOLVED;
    if (packet->hook == HOOK_TC_EGRESS)
        return follow_local(packet, recipe, family, recipe->ifindex != packet->ifindex);
    return follow_remote(packet, recipe, family);
}
