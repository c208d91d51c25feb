// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The packets that the fast path cannot finish: of no flow yet, watched for by their flow, or in need of a next hop. A program
// of its own, reached by a tail call with nothing but the packet, so the packet is parsed again. Three
// functions one after the other, because a chain of calls has 512 bytes of stack between them.
#pragma once

#include "bpf/flow/fast_path.h"
#include "bpf/flow/open.h"

// Puts what the others need to know of the packet into this CPU's struct slow_path.
static __always_inline enum verdict slow_path_enter(struct packet *packet, const enum address_family family)
{
    __u32 zero = 0;
    struct ethhdr *ethernet = packet->data;
    struct flow_of_packet flow = flow_of_packet(family, packet);
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);

    if (!slow)
        return VERDICT_PASS;
    slow->family = family;
    slow->ifindex = packet->ifindex;
    slow->flags = packet->flags;
    slow->has_flow = flow.found.recipe != 0;
    slow->answer = packet->is_echo ? ANSWER_ECHO : ANSWER_NOTHING;
    slow->l3_length = packet->l3_length;
    slow->l4_offset = packet->l4_offset;
    if (packet->protocol == TCP) {
        struct tcphdr *tcp = packet->data + packet->l4_offset;

        if ((void *)(tcp + 1) <= packet->data_end) {
            slow->sequence = bpf_ntohl(tcp->seq);
            slow->acknowledged = bpf_ntohl(tcp->ack_seq);
            slow->payload = packet->l3_length - (packet->l4_offset - L3_OFFSET) - tcp->doff * 4;
        }
    }
    if ((void *)(ethernet + 1) <= packet->data_end) {
        __builtin_memcpy(slow->last_hop, ethernet->h_source, ETH_ALEN);
        __builtin_memcpy(slow->last_hop + ETH_ALEN, ethernet->h_dest, ETH_ALEN);
    }
    slow->request_key = flow_key_of_words(family, &flow.key);
    if (flow.found.recipe)
        flow_widen(family, &slow->found, flow.found.recipe);
    return VERDICT_CONTINUE;
}

static __always_inline int slow_path_asks_route(const struct slow_path *slow)
{
    const struct recipe *recipe = &slow->found.recipe;
    enum recipe_kind kind = recipe_kind_of(slow->request_key.hook, recipe->next_hop);

    if (kind == RECIPE_LOCAL_REQUEST || (kind == RECIPE_LOCAL_REPLY && recipe->ifindex == slow->ifindex))
        return 0;
    return next_hop_is_stale(recipe, 1, tick_now());
}

// The next hop of the packet's entry is asked for again if it needs one and may have another by now.
static __always_inline enum verdict slow_path_next_hop(void *ctx, struct slow_path *slow)
{
    enum verdict verdict;

    if (!slow_path_asks_route(slow))
        return VERDICT_CONTINUE;
    verdict = route_refresh(ctx, slow);
    if (verdict == VERDICT_CONTINUE) {
        if (slow->request_key.hook == FLOW_EGRESS)
            slow->route.mtu = slow->found.recipe.opening;
        flow_change_next_hop(slow);
    }
    return verdict;
}

// VERDICT_CONTINUE: the flow is in the table, and its next hop is known as far as it can be.
// `ctx` is the program's context, whatever its type (so these cannot be global functions).
static __noinline enum verdict slow_path_decide(void *ctx)
{
    __u32 zero = 0;
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);
    enum note note = NOTE_OVER;

    if (!slow)
        return VERDICT_PASS;
    if (slow->has_flow)
        note = NOTE_HOLDS;
    if (slow->has_flow && slow->flags & slow->found.recipe.watch)
        note = flow_note(slow);
    if (note == NOTE_HOLDS)
        return slow_path_next_hop(ctx, slow);
    return flow_open(ctx, slow, note == NOTE_UNANSWERED);
}

// At egress, where no flow begins.
static __noinline enum verdict slow_path_decide_reply(void *ctx)
{
    __u32 zero = 0;
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);

    if (!slow || !slow->has_flow)
        return VERDICT_PASS;
    if (flow_is_stale(slow)) {
        slow->victim.key = slow->request_key;
        if (flow_remove(slow, FLOW_ALWAYS))
            count(FLOW_STALE_REMOVED);
        return VERDICT_PASS;
    }
    if (slow->flags & slow->found.recipe.watch)
        flow_note(slow);
    return slow_path_next_hop(ctx, slow);
}

// What the fast path does, without another question.
static __always_inline enum verdict slow_path_follow(struct packet *packet, const enum address_family family)
{
    struct flow_of_packet flow = flow_of_packet(family, packet);

    if (!flow.found.recipe)
        return drop(DROP_FLOW_CHANGED);
    flow.found.recipe->last_seen = tick_now();
    return follow(packet, &flow.found, recipe_kind_of(flow.hook, flow.found.recipe->next_hop), family);
}
