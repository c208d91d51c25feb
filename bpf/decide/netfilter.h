// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Is a packet without a flow of a connection that netfilter translates already, as kube-proxy's rules make it? Then it
// stays netfilter's to its end, whatever came in between: shunt attached, a Service that was left to the stack, a drain.
// Only UDP and SYNs ask: nothing else opens a flow.
//
// Part of forward_beside.bpf.c alone: where conntrack is a module, libbpf looks for these functions by what takes CAP_SYS_ADMIN,
// also when the program could do without them.
#pragma once

#include "bpf/count.h"
#include "bpf/flow/state.h"

#define CONNTRACK_DESTINATION_NAT (1 << 5)  // IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h
#define CONNTRACK_NETWORK_OF_DEVICE (-1)

// The kernel's; as much of it as is read.
struct nf_conn {
    unsigned long status;
} __attribute__((preserve_access_index));

// struct bpf_ct_opts in its first form (12 bytes), which every kernel takes.
struct bpf_ct_opts {
    __s32 netns_id;
    __s32 error;
    __u8 l4proto;
    __u8 dir;
    __u8 reserved[2];
};

extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size,
                                         struct bpf_ct_opts *options, __u32 options_size) __ksym;
extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size,
                                         struct bpf_ct_opts *options, __u32 options_size) __ksym;
extern void bpf_ct_release(struct nf_conn *connection) __ksym;

static __always_inline int may_open_flow(const struct slow_path *slow)
{
    return !slow->has_flow && (slow->request_key.protocol == UDP || is_opening_syn(slow->flags));
}

// VERDICT_CONTINUE: no, or nobody knows. For the packet of this CPU's struct slow_path; `hook` is a constant.
static __always_inline enum verdict leave_to_netfilter(void *ctx, const enum hook hook)
{
    __u32 zero = 0;
    struct slow_path *slow = bpf_map_lookup_elem(&scratch, &zero);
    struct bpf_ct_opts options = {.netns_id = CONNTRACK_NETWORK_OF_DEVICE};
    struct bpf_sock_tuple tuple = {};
    struct nf_conn *connection;
    unsigned long status;
    __u32 size;

    if (!slow || !may_open_flow(slow))
        return VERDICT_CONTINUE;
    options.l4proto = slow->request_key.protocol;
    if (slow->family == IPV4) {
        tuple.ipv4.saddr = slow->request_key.saddr[0];
        tuple.ipv4.daddr = slow->request_key.daddr[0];
        tuple.ipv4.sport = slow->request_key.sport;
        tuple.ipv4.dport = slow->request_key.dport;
        size = sizeof(tuple.ipv4);
    } else {
        address_copy(tuple.ipv6.saddr, slow->request_key.saddr);
        address_copy(tuple.ipv6.daddr, slow->request_key.daddr);
        tuple.ipv6.sport = slow->request_key.sport;
        tuple.ipv6.dport = slow->request_key.dport;
        size = sizeof(tuple.ipv6);
    }
    connection = hook == HOOK_XDP ? bpf_xdp_ct_lookup(ctx, &tuple, size, &options, sizeof(options))
                                  : bpf_skb_ct_lookup(ctx, &tuple, size, &options, sizeof(options));
    if (!connection)
        return VERDICT_CONTINUE;
    status = connection->status;
    bpf_ct_release(connection);
    return status & CONNTRACK_DESTINATION_NAT ? pass(PASSED_NO_FLOW) : VERDICT_CONTINUE;
}
