// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The life of a flow: which packets change it, and to what. Reached only by packets that the recipe watches for.
#pragma once

#include "bpf/count.h"
#include "bpf/decide/affinity.h"
#include "bpf/decide/unanswered.h"
#include "bpf/flow/table.h"

static __always_inline int is_request(__u8 hook)
{
    return hook == FLOW_INGRESS;
}

// Packets that may change a flow in this state, for one of its entries.
static __always_inline __u8 flow_watch(__u8 protocol, int request, __u8 state)
{
    if (protocol == UDP)
        return !request && state == FLOW_HALF_OPEN ? FLOW_FLAG_ACK : 0;
    if (request && state == FLOW_REPLIED)
        return FLOW_FLAG_SYN | FLOW_FLAG_FIN | FLOW_FLAG_RST | FLOW_FLAG_ACK;
    return FLOW_FLAG_SYN | FLOW_FLAG_FIN | FLOW_FLAG_RST;
}

// The state after a packet with these flags; the present one if it changes nothing.
static __always_inline __u8 flow_next_state(__u8 protocol, int request, __u8 state, __u8 flags)
{
    if (protocol == UDP)
        return request ? state : FLOW_ESTABLISHED;
    if (flags & (FLOW_FLAG_FIN | FLOW_FLAG_RST))
        return FLOW_CLOSING;
    if (!request && state == FLOW_HALF_OPEN && (flags & FLOW_FLAG_SYN) && (flags & FLOW_FLAG_ACK))
        return FLOW_REPLIED;
    // Only an acknowledgement that follows the backend's answer: SYN and a blind ACK plant nothing.
    if (request && state == FLOW_REPLIED && (flags & FLOW_FLAG_ACK) && !(flags & FLOW_FLAG_SYN))
        return FLOW_ESTABLISHED;
    return state;
}

static __always_inline int is_opening_syn(__u8 flags)
{
    return (flags & (FLOW_FLAG_SYN | FLOW_FLAG_ACK | FLOW_FLAG_FIN | FLOW_FLAG_RST)) == FLOW_FLAG_SYN;
}

enum note {
    NOTE_HOLDS,       // the recipe does
    NOTE_OVER,        // the flow was over and is gone, the packet opens a new one
    NOTE_UNANSWERED,  // its SYN again, and the backend never answered
};

// What the answer to this SYN acknowledges, as struct recipe keeps it. With data it may acknowledge them or not (RFC 7413).
static __always_inline __u16 opening_of(const struct slow_path *slow)
{
    return slow->payload ? 0 : slow->sequence + 1;
}

// Does a pod answer a SYN that the flow in slow->found never saw? Then that came to it directly, from a port that the flow's client
// used before.
static __always_inline int flow_is_stale(const struct slow_path *slow)
{
    return slow->request_key.protocol == TCP && (slow->flags & FLOW_FLAG_SYN) && (slow->flags & FLOW_FLAG_ACK) &&
           slow->found.recipe.opening && slow->found.recipe.opening != (__u16)slow->acknowledged;
}

// Takes note of a packet that the entry in slow->found watches for; its key is slow->request_key, whichever direction
// it is of. Returns an enum note. A global function, as in table.h.
__noinline int flow_note(struct slow_path *slow)
{
    __u8 protocol, state, next;
    int request;

    if (!slow)
        return NOTE_HOLDS;
    protocol = slow->request_key.protocol;
    state = slow->found.recipe.state;
    request = is_request(slow->request_key.hook);

    slow->is_opening = 0;
    if (request && protocol == TCP && is_opening_syn(slow->flags)) {
        if (state == FLOW_CLOSING) {
            slow->victim.key = slow->request_key;
            if (flow_remove(slow, FLOW_IF_CLOSING))
                count(FLOW_REOPENED);
            return NOTE_OVER;
        }
        slow->is_opening = 1;
        slow->opening = opening_of(slow);
    }
    next = flow_next_state(protocol, request, state, slow->flags);
    if (next == state && !slow->is_opening)
        return NOTE_HOLDS;
    flow_partner_key(&slow->reply_key, &slow->request_key, &slow->found);
    slow->next_state = next;
    slow->watch = flow_watch(protocol, request, next);
    slow->partner_watch = flow_watch(protocol, !request, next);
    flow_change_state(slow);
    if (slow->is_opening)
        return state == FLOW_HALF_OPEN ? NOTE_UNANSWERED : NOTE_HOLDS;
    if (!request && state == FLOW_HALF_OPEN && protocol == TCP)
        unanswered_end(slow->family, slow->request_key.saddr, bpf_ntohs(slow->request_key.sport));
    if (next == FLOW_ESTABLISHED)
        affinity_note(slow);
    return NOTE_HOLDS;
}
