// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// VERDICT_ANSWER: the packet becomes what shunt answers to it, and goes back the way it came.
#pragma once

#include "bpf/answer/echo.h"
#include "bpf/answer/refuse.h"
#include "bpf/decide/new_flow.h"

static __always_inline enum verdict way_back(const struct packet *packet, const struct slow_path *slow)
{
    struct device *device;

    if (packet->hook != HOOK_XDP)
        return VERDICT_SEND;
    device = bpf_map_lookup_elem(&devices, &slow->ifindex);
    if (device && device->transmit & TRANSMIT_BY_XDP_TX)
        return VERDICT_SEND_BACK;
    return device && device->transmit & TRANSMIT_BY_XDP_REDIRECT ? VERDICT_SEND : VERDICT_HAND_TO_TC;
}

// Of the packet in this CPU's struct slow_path. `packet` needs its context, hook and device only.
static __always_inline enum verdict answer(struct packet *packet)
{
    __u32 zero = 0;
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);
    struct answer_room *room = bpf_map_lookup_elem(&answer_scratch, &zero);
    enum verdict verdict;

    if (!slow || !room)
        return VERDICT_PASS;
    verdict = way_back(packet, slow);
    if (verdict == VERDICT_HAND_TO_TC)
        return verdict;
    packet->out_ifindex = slow->ifindex;
    if (slow->answer == ANSWER_ECHO)
        return echo(packet, room, slow) ? verdict : drop(DROP_REWRITE_FAILED);
    count_service(slow->service, drops);
    if (!sender_is_one_host(slow) || !refusal_is_allowed(slow))
        return drop(DROP_NO_ENDPOINTS);
    return refuse(packet, room, slow) ? verdict : drop(DROP_REWRITE_FAILED);
}
