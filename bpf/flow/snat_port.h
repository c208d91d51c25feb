// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Source ports towards backends on other nodes. A port is taken when its reply key is: (backend, node address,
// port). So each backend has the whole range, and a port is free again with its flow.
//
// The reply's place in the flow table follows from its port (maps/flow_place.h), and it has to be in the request's
// stripe: so a flow may have one port of every 128, as many as the range has times 128. Which come first: those that
// put the reply into the request's block. The order after that differs from client to client: were it the same for
// all, clients that began together would go on together.
#pragma once

#include "bpf/flow/table.h"

const volatile __u32 snat_port_min = 10240;    // a multiple of FLOW_STRIPES
const volatile __u32 snat_port_count = 16384;  // the same

// So many steps go through every port once that lies in a range of 128 x 128; what a wider range has beyond comes later.
#define SNAT_CYCLE 128
#define SNAT_TRIES_MAX (65536 / FLOW_STRIPES)

static __always_inline int snat_has_port(__be16 port)
{
    return (__u32)bpf_ntohs(port) - snat_port_min < snat_port_count;
}

struct snat_search {
    __u32 stripe;  // the port's low seven bits
    __u32 begin;   // upper bits of the port that shares the request's block, from the range's first on
    __u32 blocks;  // of a stripe
    __u32 step;    // odd, from the client
};

// 0: no port is that far, the search goes on with the next attempt.
static __always_inline __u16 snat_port(const struct snat_search *search, __u32 attempt)
{
    __u32 upper = attempt;

    if (attempt < SNAT_CYCLE) {
        __u32 blocks = search->blocks < SNAT_CYCLE ? search->blocks : SNAT_CYCLE;
        __u32 same_block = SNAT_CYCLE / blocks;  // ports that do

        upper = (search->begin + attempt % same_block * search->step * blocks + attempt / same_block * search->step) %
                SNAT_CYCLE;
    }
    if (upper >= snat_port_count / FLOW_STRIPES)
        return 0;
    return snat_port_min + upper * FLOW_STRIPES + search->stripe;
}

// slow->request_key is the request's, slow->reply_key the reply's but for its port.
static __always_inline int snat_search_begin(const enum address_family family, const struct slow_path *slow,
                                             struct snat_search *search)
{
    struct flow_control *control = flow_control_get(family);
    struct flow_words request = flow_words_of(family, &slow->request_key);
    struct flow_words reply = flow_words_of(family, &slow->reply_key);
    struct flow_place here, there;

    if (!control)
        return 0;
    here = flow_place(family, control, &request, FLOW_INGRESS);
    there = flow_place(family, control, &reply, FLOW_INGRESS);  // of its source alone
    search->stripe = here.place % FLOW_STRIPES;
    search->begin = here.place / FLOW_STRIPES - there.place - snat_port_min / FLOW_STRIPES;
    search->blocks = (flow_shape_new(READ_ONCE(control->shape)) + 1) / FLOW_STRIPES;
    search->step = here.first << 1 | 1;
    return 1;
}
