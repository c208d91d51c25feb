// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The entry points. A packet's way: hook/ makes a packet of the context, packet/parse.h finds its addresses and
// ports, flow/fast_path.h decides by its flow, hook/ carries the verdict out. What the fast path cannot finish
// starts over in a slow program (flow/slow_path.h).
#include "bpf/answer/answer.h"
#include "bpf/flow/fast_path.h"
#include "bpf/flow/slow_path.h"
#include "bpf/hook/tc.h"
#include "bpf/hook/xdp.h"
#include "bpf/packet/parse.h"

// 1 in forward_beside.bpf.c.
#ifndef ASKS_CONNTRACK
#define ASKS_CONNTRACK 0
#endif
#if ASKS_CONNTRACK
#include "bpf/decide/netfilter.h"
#else
static __always_inline enum verdict leave_to_netfilter(void *ctx, const enum hook hook)
{
    return VERDICT_CONTINUE;
}
#endif

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum step {
    STEP_FAST,
    STEP_SLOW_ENTER,
    STEP_SLOW_FOLLOW,
};

static __always_inline enum verdict take_step(struct packet *packet, const enum address_family family,
                                              const enum step step)
{
    switch (step) {
    case STEP_FAST:
        return forward(packet, family);
    case STEP_SLOW_ENTER:
        return slow_path_enter(packet, family);
    default:
        return slow_path_follow(packet, family);
    }
}

// Of no protocol with ports.
static __always_inline enum verdict take_step_by_address(struct packet *packet, const enum address_family family,
                                                         const enum step step)
{
    if (step == STEP_SLOW_ENTER)
        return slow_path_enter(packet, family);
    return packet->hook != HOOK_TC_EGRESS && frontend_address_of_packet(packet, family) ? VERDICT_SLOW : VERDICT_PASS;
}

static __always_inline enum verdict process(struct packet *packet, const enum step step)
{
    struct ethhdr *ethernet = packet->data;
    enum verdict verdict;

    if ((void *)(ethernet + 1) > packet->data_end)
        return VERDICT_PASS;
    switch (ethernet->h_proto) {
    case bpf_htons(ETH_P_IP):
        verdict = parse_ipv4(packet);
        if (likely(verdict == VERDICT_CONTINUE))
            return take_step(packet, IPV4, step);
        return verdict == VERDICT_ADDRESS ? take_step_by_address(packet, IPV4, step) : verdict;
    case bpf_htons(ETH_P_IPV6):
        verdict = parse_ipv6(packet);
        if (likely(verdict == VERDICT_CONTINUE))
            return take_step(packet, IPV6, step);
        return verdict == VERDICT_ADDRESS ? take_step_by_address(packet, IPV6, step) : verdict;
    case bpf_htons(ETH_P_8021Q):
    case bpf_htons(ETH_P_8021AD):
        return pass(PASSED_VLAN);
    default:
        return VERDICT_PASS;
    }
}

// ---- XDP

SEC("xdp.frags")
int xdp_ingress(struct xdp_md *ctx)
{
    struct packet packet = xdp_packet(ctx);

    return xdp_finish(&packet, process(&packet, STEP_FAST));
}

static __noinline enum verdict xdp_slow_enter(struct xdp_md *ctx)
{
    struct packet packet = xdp_packet(ctx);

    return process(&packet, STEP_SLOW_ENTER);
}

static __noinline enum verdict xdp_slow_judge(struct xdp_md *ctx)
{
    return leave_to_netfilter(ctx, HOOK_XDP);
}

static __noinline int xdp_slow_answer(struct xdp_md *ctx)
{
    struct packet packet = {.ctx = ctx, .hook = HOOK_XDP};

    return xdp_finish(&packet, answer(&packet));
}

static __noinline int xdp_slow_follow(struct xdp_md *ctx)
{
    struct packet packet = xdp_packet(ctx);

    return xdp_finish(&packet, process(&packet, STEP_SLOW_FOLLOW));
}

// Its loader adds the flag of xdp.frags, which the programs of one table must agree on: as part of an XDP chain it must
// not have it, and libbpf 1.1 never takes off what a section's name says.
SEC("xdp")
int xdp_slow(struct xdp_md *ctx)
{
    struct packet packet = {.ctx = ctx};
    enum verdict verdict = xdp_slow_enter(ctx);

    if (verdict == VERDICT_CONTINUE && ASKS_CONNTRACK)
        verdict = xdp_slow_judge(ctx);
    if (verdict == VERDICT_CONTINUE)
        verdict = slow_path_decide(ctx);
    if (verdict == VERDICT_ANSWER)
        return xdp_slow_answer(ctx);
    return verdict == VERDICT_CONTINUE ? xdp_slow_follow(ctx) : xdp_finish(&packet, verdict);
}

// ---- tc

static __always_inline enum verdict tc_process(struct packet *packet, struct __sk_buff *skb, const enum step step)
{
    return skb->vlan_present ? pass(PASSED_VLAN) : process(packet, step);
}

static __always_inline int tc_forward(struct __sk_buff *skb, const enum hook hook)
{
    struct packet packet = tc_packet(skb, hook);

    return tc_finish(&packet, tc_process(&packet, skb, STEP_FAST));
}

// Ingress of a device without XDP.
SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
    return tc_forward(skb, HOOK_TC_INGRESS);
}

// Ingress beside XDP: only what XDP handed over.
SEC("tc")
int tc_ingress_after_xdp(struct __sk_buff *skb)
{
    return tc_is_from_xdp(skb) ? tc_forward(skb, HOOK_TC_INGRESS) : TC_GO_ON;
}

// Replies of local pods on their way out.
SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
    return tc_forward(skb, HOOK_TC_EGRESS);
}

static __noinline enum verdict tc_slow_enter(struct __sk_buff *skb, const enum hook hook)
{
    struct packet packet = tc_packet(skb, hook);

    return tc_process(&packet, skb, STEP_SLOW_ENTER);
}

static __noinline enum verdict tc_slow_judge(struct __sk_buff *skb)
{
    return leave_to_netfilter(skb, HOOK_TC_INGRESS);
}

static __noinline int tc_slow_answer(struct __sk_buff *skb)
{
    struct packet packet = {.ctx = skb, .hook = HOOK_TC_INGRESS};

    return tc_finish(&packet, answer(&packet));
}

static __noinline int tc_slow_follow(struct __sk_buff *skb, const enum hook hook)
{
    struct packet packet = tc_packet(skb, hook);

    return tc_finish(&packet, tc_process(&packet, skb, STEP_SLOW_FOLLOW));
}

static __always_inline int tc_slow(struct __sk_buff *skb, const enum hook hook)
{
    struct packet packet = {.ctx = skb, .hook = hook};
    enum verdict verdict = tc_slow_enter(skb, hook);

    if (verdict == VERDICT_CONTINUE && ASKS_CONNTRACK && hook == HOOK_TC_INGRESS)
        verdict = tc_slow_judge(skb);
    if (verdict == VERDICT_CONTINUE)
        verdict = hook == HOOK_TC_EGRESS ? slow_path_decide_reply(skb) : slow_path_decide(skb);
    if (verdict == VERDICT_ANSWER && hook == HOOK_TC_INGRESS)
        return tc_slow_answer(skb);
    return verdict == VERDICT_CONTINUE ? tc_slow_follow(skb, hook) : tc_finish(&packet, verdict);
}

SEC("tc")
int tc_slow_ingress(struct __sk_buff *skb)
{
    return tc_slow(skb, HOOK_TC_INGRESS);
}

SEC("tc")
int tc_slow_egress(struct __sk_buff *skb)
{
    return tc_slow(skb, HOOK_TC_EGRESS);
}
