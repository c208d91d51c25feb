// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The entry points. A packet's way: hook/ makes a packet of the context, packet/parse.h finds its addresses and
// ports, flow/fast_path.h decides by its flow, hook/ carries the verdict out.
#include "bpf/flow/fast_path.h"
#include "bpf/hook/tc.h"
#include "bpf/hook/xdp.h"
#include "bpf/packet/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline enum verdict process(struct packet *packet)
{
    struct ethhdr *ethernet = packet->data;
    enum verdict verdict;

    if ((void *)(ethernet + 1) > packet->data_end)
        return VERDICT_PASS;
    switch (ethernet->h_proto) {
    case bpf_htons(ETH_P_IP):
        verdict = parse_ipv4(packet);
        return likely(verdict == VERDICT_CONTINUE) ? forward(packet, IPV4) : verdict;
    case bpf_htons(ETH_P_IPV6):
        verdict = parse_ipv6(packet);
        return likely(verdict == VERDICT_CONTINUE) ? forward(packet, IPV6) : verdict;
    case bpf_htons(ETH_P_8021Q):
    case bpf_htons(ETH_P_8021AD):
        return pass(PASSED_VLAN);
    default:
        return VERDICT_PASS;
    }
}

SEC("xdp.frags")
int xdp_ingress(struct xdp_md *ctx)
{
    struct packet packet = xdp_packet(ctx);

    return xdp_finish(&packet, process(&packet));
}

static __always_inline int tc_process(struct __sk_buff *skb, enum hook hook)
{
    struct packet packet = tc_packet(skb, hook);

    return tc_finish(&packet, skb->vlan_present ? pass(PASSED_VLAN) : process(&packet));
}

// Ingress of a device without XDP.
SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
    return tc_process(skb, HOOK_TC_INGRESS);
}

// Ingress beside XDP: only what XDP handed over.
SEC("tc")
int tc_ingress_after_xdp(struct __sk_buff *skb)
{
    return tc_is_from_xdp(skb) ? tc_process(skb, HOOK_TC_INGRESS) : TC_GO_ON;
}

// Replies of local pods on their way out.
SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
    return tc_process(skb, HOOK_TC_EGRESS);
}
