// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Stands around the program under test on a real device: marks what comes in as XDP would for tc, and records what
// goes on. Packets end here, so that the stack neither answers nor forwards them.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "bpf/hook/mark.h"
#include "test/bpf/recording.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct recording);
} recording SEC(".maps");

static struct recording *recording_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&recording, &zero);
}

SEC("xdp")
int mark_everything(struct xdp_md *ctx)
{
    struct recording *recording = recording_get();
    __u32 *mark;

    if (!recording || bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark)))
        return XDP_ABORTED;
    mark = (void *)(long)ctx->data_meta;
    if ((void *)(mark + 1) > (void *)(long)ctx->data)
        return XDP_ABORTED;
    *mark = XDP_TO_TC_MARK;
    recording->marked++;
    return XDP_PASS;
}

static __always_inline int record(struct __sk_buff *skb, int at_egress)
{
    struct recording *recording = recording_get();
    __u32 length = skb->len;

    if (!skb->ingress_ifindex)
        return TC_ACT_UNSPEC;  // the node's own
    if (!recording)
        return TC_ACT_SHOT;
    recording->marked_then = recording->marked;
    recording->ifindex = skb->ifindex;
    recording->at_egress = at_egress;
    recording->tagged = skb->vlan_present;
    recording->length = length;
    if (length > RECORDING_SIZE)
        length = RECORDING_SIZE;
    length--;
    barrier_var(length);  // Linux 6.1's verifier learns no lower bound from `length > 0`
    if (length < RECORDING_SIZE)
        bpf_skb_load_bytes(skb, 0, recording->bytes, length + 1);
    recording->recorded++;
    return TC_ACT_SHOT;
}

SEC("tc")
int record_ingress(struct __sk_buff *skb)
{
    return record(skb, 0);
}

SEC("tc")
int record_egress(struct __sk_buff *skb)
{
    return record(skb, 1);
}
