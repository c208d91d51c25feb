// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The flow tables' upkeep, a few blocks at a time: idle flows go, and while a table grows its entries are moved to their
// new blocks. A block's entries go to the block of the same number or to the one that is as far above as the table was large;
// both have the same stripe, so one lock covers old and new place.
#pragma once

#include "bpf/clock.h"
#include "bpf/flow/table.h"

static __always_inline int flow_is_growing(__u64 shape)
{
    return flow_shape_new(shape) != flow_shape_old(shape);
}

// The entry in this slot of block `from`, to the block of `spot`. 0: it could not be moved.
static __always_inline int flow_move_locked(const enum address_family family, struct slow_path *slow,
                                            const struct flow_pair *pair, __u32 index, void *from, __u32 slot)
{
    const struct flow_spot *spot = &pair->first;
    struct recipe *recipe = flow_at(family, from, slot);
    struct flow_entry entry = {recipe, from, slot};
    __u32 free;

    if (!flow_pair_is_current(pair) || flow_is_free(family, recipe))
        return 1;
    for (__u32 i = 0; i < FLOW_KEY_WORDS(family); i++)
        spot->at->key.word[i] = flow_words_at(family, recipe)[i];
    spot->at->place = flow_place(family, pair->control, &spot->at->key, flow_hook_at(family, recipe));
    if ((spot->at->place.place & flow_shape_new(pair->shape)) == index)
        return 1;
    free = flow_take_slot(family, pair, spot, 0, 0);
    if (free == FLOW_NO_SLOT)
        return 0;
    flow_entry_move(family, pair->control, flow_at(family, spot->now, free), &entry, &spot->at->place);
    return 1;
}

static __always_inline int flow_move(const enum address_family family, struct slow_path *slow, __u64 shape, __u32 index,
                                     __u32 slot)
{
    void *from = flow_block(family, index);
    struct flow_pair pair = {
        .control = flow_control_get(family),
        .stripe = flow_stripe_get(family, index),
        .shape = shape,
        .first = {.at = &slow->first, .now = flow_block(family, index + flow_shape_old(shape) + 1)},
    };
    int moved;

    if (!pair.control || !pair.stripe || !from || !pair.first.now)
        return 0;
    bpf_spin_lock(&pair.stripe->lock);
    moved = flow_move_locked(family, slow, &pair, index, from, slot);
    bpf_spin_unlock(&pair.stripe->lock);
    return moved;
}

// Global functions, as in table.h.
__noinline int flow_move4(struct slow_path *slow, __u64 shape, __u32 index, __u32 slot)
{
    return slow ? flow_move(IPV4, slow, shape, index, slot) : 0;
}

__noinline int flow_move6(struct slow_path *slow, __u64 shape, __u32 index, __u32 slot)
{
    return slow ? flow_move(IPV6, slow, shape, index, slot) : 0;
}

// What the slot's entry needs, if it is an entry; looked at without the lock.
static __always_inline void flow_visit_slot(const enum address_family family, struct slow_path *slow,
                                            struct flow_control *control, __u64 shape, __u32 index, void *block,
                                            __u32 slot)
{
    struct recipe *recipe = flow_at(family, block, slot);
    struct flow_words *key = (struct flow_words *)flow_words_at(family, recipe);
    __u8 hook;

    if (flow_is_free(family, recipe))
        return;
    hook = flow_hook_at(family, recipe);
    if (flow_is_growing(shape) && index <= flow_shape_old(shape)) {
        struct flow_place place = flow_place(family, control, key, hook);

        if ((place.place & flow_shape_new(shape)) != index) {
            if (!(family == IPV4 ? flow_move4(slow, shape, index, slot) : flow_move6(slow, shape, index, slot)))
                control->left += 1;
            return;
        }
    }
    if (hook != FLOW_INGRESS)
        return;
    slow->victim.key = flow_key_of_words(family, key);
    if (!flow_is_idle(recipe, slow->victim.key.protocol, slow->now))
        return;
    if (family == IPV4 ? flow_remove4(slow, FLOW_IF_IDLE) : flow_remove6(slow, FLOW_IF_IDLE))
        count(FLOW_EXPIRED);
}

static __always_inline void flow_visit_block(const enum address_family family, struct slow_path *slow, __u32 index)
{
    struct flow_control *control = flow_control_get(family);
    struct flow_stripe *stripe = flow_stripe_get(family, index);
    void *block = flow_block(family, index);
    __u64 shape;

    if (!control || !stripe || !block)
        return;
    shape = READ_ONCE(control->shape);
    if (flow_is_growing(shape)) {
        // Slots are looked at without the lock: let go first who took it before the table grew and may still write here.
        bpf_spin_lock(&stripe->lock);
        bpf_spin_unlock(&stripe->lock);
    }
#pragma clang loop unroll(disable)
    for (__u32 slot = 0; slot < FLOW_BLOCK_SLOTS; slot++)
        flow_visit_slot(family, slow, control, shape, index, block, slot);
}

__noinline int flow_visit4(struct slow_path *slow, __u32 index) { return slow ? flow_visit_block(IPV4, slow, index), 0 : 0; }
__noinline int flow_visit6(struct slow_path *slow, __u32 index) { return slow ? flow_visit_block(IPV6, slow, index), 0 : 0; }

// A pass through all blocks is over. The old places are given up only if it began with this shape and left nothing there: a
// full new block can refuse an entry for as long as it lives.
static __always_inline void flow_end_pass(struct flow_control *control)
{
    __u64 shape = READ_ONCE(control->shape);
    __u64 mask = flow_shape_new(shape);

    if (flow_is_growing(shape) && control->pass_shape == shape && !control->left)
        __sync_val_compare_and_swap(&control->shape, shape, mask << 32 | mask);
    control->passes += 1;
    control->stuck = control->left;
    control->cursor = 0;
}

static __always_inline void flow_begin_pass(struct flow_control *control)
{
    control->pass_shape = READ_ONCE(control->shape);
    control->left = 0;
}

#define FLOW_VISITS_MIN 4
#define FLOW_VISITS_MAX 256
#define FLOW_VISITS_GROWING 64

// The next few blocks: so many that a pass takes 128 calls, at most. 1: the table grows, come back soon (unless the last pass
// could not move all: then there is time).
static __always_inline int flow_upkeep(const enum address_family family, struct slow_path *slow)
{
    struct flow_control *control = flow_control_get(family);
    __u32 visits;

    if (!control)
        return 0;
    slow->family = family;
    slow->now = tick_now();
    visits = (flow_shape_new(READ_ONCE(control->shape)) + 1) / 128;
    if (visits < FLOW_VISITS_MIN)
        visits = FLOW_VISITS_MIN;
    if (flow_is_growing(READ_ONCE(control->shape)) && visits < FLOW_VISITS_GROWING)
        visits = FLOW_VISITS_GROWING;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < FLOW_VISITS_MAX && i < visits; i++) {
        if (control->cursor == 0)
            flow_begin_pass(control);
        if (family == IPV4)
            flow_visit4(slow, control->cursor);
        else
            flow_visit6(slow, control->cursor);
        control->cursor += 1;
        if (control->cursor > flow_shape_new(READ_ONCE(control->shape)))
            flow_end_pass(control);
    }
    return flow_is_growing(READ_ONCE(control->shape)) && !control->stuck;
}
