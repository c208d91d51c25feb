// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Programs that count and return what they should and leave the packet as it is: they must not look fast.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bpf/count.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp.frags")
int xdp_ingress(struct xdp_md *ctx)
{
    count(FORWARDED_REMOTE_REQUEST);
    return XDP_TX;
}

SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
    count(FORWARDED_REMOTE_REQUEST);
    return TC_ACT_REDIRECT;
}

SEC("tc")
int tc_egress(struct __sk_buff *skb)
{
    count(FORWARDED_LOCAL_REPLY);
    return TC_ACT_UNSPEC;
}
