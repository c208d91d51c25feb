// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is to become of a packet, in words that know no hook. xdp.h and tc.h carry it out.
#pragma once

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

enum verdict {
    VERDICT_CONTINUE = 0,  // not decided yet: the next step goes on
    VERDICT_PASS,          // not ours, or left to the stack: unmodified
    VERDICT_DROP,          // counted by its reason
    VERDICT_DELIVER,       // rewritten, up the stack (ingress) or on its way out (egress)
    VERDICT_SEND,          // rewritten, out by the recipe's interface
    VERDICT_SEND_BACK,     // the same, and that is the one it came in by (XDP only)
    VERDICT_SLOW,          // for the slow path: unmodified
    VERDICT_ANSWER,        // not forwarded: shunt answers (slow path only)
    VERDICT_ADDRESS,       // of no protocol with ports: only its address can make it one of ours
    VERDICT_HAND_TO_TC,    // XDP cannot finish it: marked and unmodified to tc
};

static __always_inline int verdict_is_forwarded(enum verdict verdict)
{
    return verdict == VERDICT_DELIVER || verdict == VERDICT_SEND || verdict == VERDICT_SEND_BACK;
}

// Where a packet is seen. A constant in each entry point, so that the compiler specialises what depends on it.
enum hook {
    HOOK_XDP,
    HOOK_TC_INGRESS,
    HOOK_TC_EGRESS,
};
