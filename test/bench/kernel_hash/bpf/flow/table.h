// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The flow table's operations over kernel hashes: a yardstick for the project's own table (bpf/flow/table.h), and for nothing
// else: it neither ages nor evicts. The reply's key is claimed first, then the request's, and undone if that one is taken.
#pragma once

#include "bpf/count.h"
#include "bpf/flow/key.h"
#include "bpf/flow/order.h"
#include "bpf/flow/recipe.h"
#include "maps/flow_place.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct flow4_key);
    __type(value, struct flow4);
} hash4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct flow6_key);
    __type(value, struct flow6);
} hash6 SEC(".maps");

struct flow_found {
    struct recipe *recipe;
    __u32 seq;
};

enum put_result { PUT_DONE, PUT_REQUEST_TAKEN, PUT_REPLY_TAKEN, PUT_NO_ROOM, PUT_AGAIN };
enum flow_condition { FLOW_IF_CLOSING, FLOW_IF_HALF_OPEN, FLOW_IF_NOT_ESTABLISHED, FLOW_IF_IDLE, FLOW_ALWAYS };

static __always_inline struct flow_control *flow_control_get(const enum address_family family)
{
    __u32 index = family == IPV6;

    return bpf_map_lookup_elem(&flow_control, &index);
}

static __always_inline struct flow_place flow_place(const enum address_family family,
                                                    const struct flow_control *control, const struct flow_words *key,
                                                    __u8 hook)
{
    return family == IPV4 ? flow_place4(control, (const struct flow4_key *)key, hook)
                          : flow_place6(control, (const struct flow6_key *)key, hook);
}

static __always_inline int flow_holds(const struct flow_found *flow)
{
    return 1;
}

static __always_inline int flow_is_victim(__u8 state)
{
    return 0;
}

static __always_inline struct flow_found flow_find(const enum address_family family, const struct flow_words *key,
                                                   __u8 hook)
{
    struct flow_words copy = *key;
    struct flow_found flow = {};

    if (family == IPV4)
        flow.recipe = bpf_map_lookup_elem(&hash4, &copy);
    else
        flow.recipe = bpf_map_lookup_elem(&hash6, &copy);
    return flow;
}

static __always_inline struct recipe *hash_find(enum address_family family, const struct flow6_key *wide)
{
    struct flow_words key = flow_words_of(family, wide);

    return family == IPV4 ? bpf_map_lookup_elem(&hash4, &key) : bpf_map_lookup_elem(&hash6, &key);
}

static __always_inline void hash_remove(enum address_family family, const struct flow6_key *wide)
{
    struct flow_words key = flow_words_of(family, wide);

    if (family == IPV4)
        bpf_map_delete_elem(&hash4, &key);
    else
        bpf_map_delete_elem(&hash6, &key);
}

static __always_inline long hash_put(const struct slow_path *slow, const struct flow6_key *wide,
                                     const struct flow6 *flow)
{
    struct flow_words key = flow_words_of(slow->family, wide);
    struct flow4 narrow = {.recipe = flow->recipe, .saddr = flow->saddr[0], .daddr = flow->daddr[0]};

    return slow->family == IPV4 ? bpf_map_update_elem(&hash4, &key, &narrow, BPF_NOEXIST)
                                : bpf_map_update_elem(&hash6, &key, flow, BPF_NOEXIST);
}

#define HASH_EEXIST (-17)

__noinline int flow_put(struct slow_path *slow)
{
    long error;

    if (!slow)
        return PUT_NO_ROOM;
    slow->victim.state = 0;
    error = hash_put(slow, &slow->reply_key, &slow->reply);
    if (error)
        return error == HASH_EEXIST ? PUT_REPLY_TAKEN : PUT_NO_ROOM;
    error = hash_put(slow, &slow->request_key, &slow->request);
    if (!error)
        return PUT_DONE;
    hash_remove(slow->family, &slow->reply_key);
    return error == HASH_EEXIST ? PUT_REQUEST_TAKEN : PUT_NO_ROOM;
}

static __always_inline int hash_remove_pair(const enum address_family family, struct slow_path *slow)
{
    struct recipe *recipe = hash_find(family, &slow->victim.key);

    if (!recipe)
        return 0;
    flow_widen(family, &slow->found, recipe);
    flow_partner_key(&slow->victim.partner, &slow->victim.key, &slow->found);
    hash_remove(family, &slow->victim.partner);
    hash_remove(family, &slow->victim.key);
    return 1;
}

__noinline int flow_remove(struct slow_path *slow, int condition)
{
    if (!slow || condition != FLOW_IF_CLOSING)
        return 0;
    return slow->family == IPV4 ? hash_remove_pair(IPV4, slow) : hash_remove_pair(IPV6, slow);
}

__noinline int flow_change_state(struct slow_path *slow)
{
    struct recipe *recipe;

    if (!slow)
        return 0;
    recipe = hash_find(slow->family, &slow->request_key);
    if (recipe) {
        recipe->state = slow->next_state;
        recipe->watch = slow->watch;
    }
    recipe = hash_find(slow->family, &slow->reply_key);
    if (recipe) {
        recipe->state = slow->next_state;
        recipe->watch = slow->partner_watch;
    }
    return 0;
}

__noinline int flow_change_next_hop(struct slow_path *slow)
{
    struct recipe *recipe = slow ? hash_find(slow->family, &slow->request_key) : 0;

    if (recipe)
        route_into_recipe(recipe, &slow->route, slow->epoch);
    return 0;
}

__noinline int flow_is_taken(struct slow_path *slow)
{
    return slow && hash_find(slow->family, &slow->reply_key) != 0;
}
