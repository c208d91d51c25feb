// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The wrapper around a measured program, for the kernel's test run, which hands the same buffer to each repetition: it
// puts the packet back as it was, gives it the addresses and ports of the next visit, and jumps to the program. The
// `_floor` programs do the same and jump to a program that only returns: what that costs is not the measured program's.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_helpers.h>

#include "bpf/bench.h"
#include "bpf/packet/checksum.h"

#define IPV4_CHECK_OFFSET (ETH_HLEN + __builtin_offsetof(struct iphdr, check))
#define TCP4_CHECK_OFFSET (ETH_HLEN + sizeof(struct iphdr) + __builtin_offsetof(struct tcphdr, check))
#define TCP6_CHECK_OFFSET (ETH_HLEN + sizeof(struct ipv6hdr) + __builtin_offsetof(struct tcphdr, check))

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 family = IPV4;
const volatile __u32 word_offset = 0;  // where in the frame a visit's word and port go
const volatile __u32 port_offset = 0;
const volatile __u32 visits_mask = 0;

// The frame with 0 for the visit's word and port, and right checksums for that.
__u64 frame[BENCH_FRAME6_SIZE / 8] = {1};
__u64 cursor = 0;  // the next visit

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);  // visits_mask + 1
    __type(key, __u32);
    __type(value, struct bench_visit);
} visits SEC(".maps");

SEC("xdp.frags")
int xdp_floor(struct xdp_md *ctx)
{
    return XDP_TX;
}

SEC("tc")
int tc_floor(struct __sk_buff *skb)
{
    return TC_ACT_UNSPEC;
}

enum target {
    TARGET_MEASURED = 0,  // by user space
    TARGET_FLOOR = 1,
};

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 2);
    __uint(key_size, sizeof(__u32));
    __array(values, int(void *));
} xdp_targets SEC(".maps") = {.values = {[TARGET_FLOOR] = (void *)&xdp_floor}};

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 2);
    __uint(key_size, sizeof(__u32));
    __array(values, int(void *));
} tc_targets SEC(".maps") = {.values = {[TARGET_FLOOR] = (void *)&tc_floor}};

static __always_inline void put_checksum(void *data, __u32 offset, __u16 difference)
{
    __u16 *field = data + offset;

    *field = checksum_update(*(__u16 *)((void *)frame + offset), difference);
}

// In words: the compiler would copy bytes, because the frame is of no known alignment.
static __always_inline void put_frame(void *data, const __u32 size)
{
    __u64 *to = data;

#pragma unroll
    for (__u32 i = 0; i < size / 8; i++)
        to[i] = frame[i];
}

static __always_inline void restore(void *data, void *data_end)
{
    __u32 size = family == IPV4 ? BENCH_FRAME4_SIZE : BENCH_FRAME6_SIZE;
    __u32 index = cursor & visits_mask;
    __u32 at_word = word_offset, at_port = port_offset;
    struct bench_visit *visit = bpf_map_lookup_elem(&visits, &index);
    __u16 of_word;

    if (!visit || at_word > BENCH_FRAME4_SIZE - sizeof(__be32) || at_port > BENCH_FRAME4_SIZE - sizeof(__be16))
        return;
    if (data + size > data_end)
        return;
    of_word = checksum_fold((visit->word & 0xffff) + (visit->word >> 16));
    if (family == IPV4) {
        put_frame(data, BENCH_FRAME4_SIZE);
        put_checksum(data, IPV4_CHECK_OFFSET, of_word);
        put_checksum(data, TCP4_CHECK_OFFSET, checksum_fold((__u32)of_word + visit->port));
    } else {
        put_frame(data, BENCH_FRAME6_SIZE);
        put_checksum(data, TCP6_CHECK_OFFSET, checksum_fold((__u32)of_word + visit->port));
    }
    *(__be32 *)(data + at_word) = visit->word;
    *(__be16 *)(data + at_port) = visit->port;
    cursor++;
}

static __always_inline int xdp_wrap(struct xdp_md *ctx, const enum target target)
{
    restore((void *)(long)ctx->data, (void *)(long)ctx->data_end);
    bpf_tail_call_static(ctx, &xdp_targets, target);
    return XDP_ABORTED;
}

static __always_inline int tc_wrap(struct __sk_buff *skb, const enum target target)
{
    restore((void *)(long)skb->data, (void *)(long)skb->data_end);
    bpf_tail_call_static(skb, &tc_targets, target);
    return TC_ACT_STOLEN;
}

SEC("xdp.frags")
int xdp_bench(struct xdp_md *ctx)
{
    return xdp_wrap(ctx, TARGET_MEASURED);
}

SEC("xdp.frags")
int xdp_bench_floor(struct xdp_md *ctx)
{
    return xdp_wrap(ctx, TARGET_FLOOR);
}

SEC("tc")
int tc_bench(struct __sk_buff *skb)
{
    return tc_wrap(skb, TARGET_MEASURED);
}

SEC("tc")
int tc_bench_floor(struct __sk_buff *skb)
{
    return tc_wrap(skb, TARGET_FLOOR);
}
