// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The flow table behind its functions: find, put a pair, remove a pair; the state of a found pair changes in
// flow/state.h. No other program on the packet's way touches flows4 and flows6; user space walks them
// (agent/datapath/flow_expiry.cpp, agent/report/flow_view.cpp, show.bpf.c).
//
// Today a kernel hash for each family. A pair is put by claiming the reply key first, then the request key, and
// undone if that one is taken: a request entry that is seen has its reply.
#pragma once

#include "bpf/flow/key.h"
#include "bpf/maps.h"

#define FLOW_EEXIST (-17)

static __always_inline struct recipe *flow_find4(const struct flow4_key *key)
{
    struct flow4 *flow = bpf_map_lookup_elem(&flows4, key);

    return flow ? &flow->recipe : 0;
}

static __always_inline struct recipe *flow_find6(const struct flow6_key *key)
{
    struct flow6 *flow = bpf_map_lookup_elem(&flows6, key);

    return flow ? &flow->recipe : 0;
}

static __always_inline struct recipe *flow_find(enum address_family family, const struct flow6_key *wide)
{
    if (family == IPV4) {
        struct flow4_key key = flow_key_narrow(wide);

        return flow_find4(&key);
    }
    return flow_find6(wide);
}

// 0, or a negative errno: FLOW_EEXIST if the key is taken, another one if there is no room. An int, not a long: before
// Linux 6.4 the helper sets the lower half of its register only.
static __always_inline int flow_put(enum address_family family, const struct flow6_key *wide, const struct flow6 *flow,
                                     struct flow4 *narrow, __u64 flags)
{
    if (family == IPV4) {
        struct flow4_key key = flow_key_narrow(wide);

        narrow->recipe = flow->recipe;
        narrow->saddr = flow->saddr[0];
        narrow->daddr = flow->daddr[0];
        return bpf_map_update_elem(&flows4, &key, narrow, flags);
    }
    return bpf_map_update_elem(&flows6, wide, flow, flags);
}

static __always_inline void flow_remove(enum address_family family, const struct flow6_key *wide)
{
    if (family == IPV4) {
        struct flow4_key key = flow_key_narrow(wide);

        bpf_map_delete_elem(&flows4, &key);
    } else {
        bpf_map_delete_elem(&flows6, wide);
    }
}

enum put_result {
    PUT_DONE,
    PUT_REPLY_TAKEN,    // another flow has the reply key: try another port
    PUT_REQUEST_TAKEN,  // the flow is there already, made by another CPU: use it
    PUT_NO_ROOM,
};

// Puts slow->request and slow->reply at their keys, both or none.
static __always_inline enum put_result flow_put_pair(enum address_family family, struct slow_path *slow)
{
    int error = flow_put(family, &slow->reply_key, &slow->reply, &slow->narrow, BPF_NOEXIST);

    if (error)
        return error == FLOW_EEXIST ? PUT_REPLY_TAKEN : PUT_NO_ROOM;
    error = flow_put(family, &slow->request_key, &slow->request, &slow->narrow, BPF_NOEXIST);
    if (!error)
        return PUT_DONE;
    flow_remove(family, &slow->reply_key);
    return error == FLOW_EEXIST ? PUT_REQUEST_TAKEN : PUT_NO_ROOM;
}

// Removes the flow of which `wide` is one key and `partner` the other.
static __always_inline void flow_remove_pair(enum address_family family, const struct flow6_key *wide,
                                             const struct flow6_key *partner)
{
    flow_remove(family, wide);
    flow_remove(family, partner);
}
