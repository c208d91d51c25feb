// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The flow table: find, put a pair, remove a pair, change its state, change a next hop. Nothing else on the packet's
// way touches flows4 and flows6; upkeep.h ages them and lets them grow, user space reads them.
//
// maps/flow.h has the lay-out, maps/flow_place.h where an entry stands. The protocol:
//
// - Writers hold the lock of the flow's stripe, never two; no call is allowed under it, so every pointer is there before. Under
//   the lock a flow has both of its entries or none.
// - Readers hold nothing. They use an entry where it stands and look at its seq before and after; an entry that
//   was rewritten meanwhile costs them the packet, and its flow is gone anyway (or has a new next hop).
// - An entry that moves is copied first and cleared then; a reader may pass between the two. So a miss counts only if
//   no entry began or ended to move meanwhile.
// - The table doubles by a new shape (one store); from then on new entries go to their new place, look-ups try the
//   new place and then the old, and upkeep moves what is left. Whoever changes something reads the shape again
//   under the lock. Each state may last for ever.
#pragma once

#include "bpf/count.h"
#include "bpf/flow/key.h"
#include "bpf/flow/order.h"
#include "bpf/flow/recipe.h"
#include "maps/flow_place.h"

#define FLOW_LOOK_UPS 3

static __always_inline struct flow_control *flow_control_get(const enum address_family family)
{
    __u32 index = family == IPV6;

    return bpf_map_lookup_elem(&flow_control, &index);
}

static __always_inline void *flow_block(const enum address_family family, __u32 index)
{
    return family == IPV4 ? bpf_map_lookup_elem(&flows4, &index) : bpf_map_lookup_elem(&flows6, &index);
}

static __always_inline struct recipe *flow_at(const enum address_family family, void *block, __u32 slot)
{
    // In assembly, because the compiler knows the bound and the verifier does not.
    asm volatile("%0 &= %1" : "+r"(slot) : "i"(FLOW_BLOCK_SLOTS - 1));
    return family == IPV4 ? &((struct flow4_block *)block)->slots[slot].recipe
                          : &((struct flow6_block *)block)->slots[slot].recipe;
}

static __always_inline __u64 *flow_words_at(const enum address_family family, struct recipe *recipe)
{
    return family == IPV4 ? (__u64 *)&((struct flow4 *)recipe)->key : (__u64 *)&((struct flow6 *)recipe)->key;
}

static __always_inline int flow_has_key(const enum address_family family, struct recipe *recipe,
                                        const struct flow_words *key)
{
    const volatile __u64 *words = flow_words_at(family, recipe);

    for (__u32 i = 0; i < FLOW_KEY_WORDS(family); i++)
        if (words[i] != key->word[i])
            return 0;
    return 1;
}

static __always_inline __u8 flow_hook_at(const enum address_family family, const struct recipe *recipe)
{
    return family == IPV4 ? ((const struct flow4 *)recipe)->key.hook : ((const struct flow6 *)recipe)->key.hook;
}

static __always_inline int flow_is_free(const enum address_family family, struct recipe *recipe)
{
    return family == IPV4 ? !((struct flow4 *)recipe)->key.protocol : !((struct flow6 *)recipe)->key.protocol;
}

static __always_inline struct flow_place flow_place(const enum address_family family,
                                                    const struct flow_control *control, const struct flow_words *key,
                                                    __u8 hook)
{
    return family == IPV4 ? flow_place4(control, (const struct flow4_key *)key, hook)
                          : flow_place6(control, (const struct flow6_key *)key, hook);
}

// How many keys of a group live in their second group; kept in the group's first slot.
static __always_inline __u8 *flow_away(const enum address_family family, void *block, __u32 group)
{
    return &flow_at(family, block, group * FLOW_GROUP_SLOTS)->away;
}

// ---- Finding

#define FLOW_NO_SLOT FLOW_BLOCK_SLOTS

// An entry that was found, and its seq from before it was. Whoever uses it without the lock asks in the end whether
// it still holds.
struct flow_found {
    struct recipe *recipe;  // 0: there is none
    __u32 seq;
};

static __always_inline int flow_holds(const struct flow_found *flow)
{
    order_loads();
    return !(flow->seq & 1) && READ_ONCE(flow->recipe->seq) == flow->seq;
}

// The slot that is tried as `step` (0 to 7): those of the first group, then those of the second.
static __always_inline __u32 flow_slot_of(const struct flow_place *place, __u32 step)
{
    return flow_slot(step < FLOW_GROUP_SLOTS ? place->first : place->second, place->turn, step);
}

// The slot of the key in this block, or FLOW_NO_SLOT. 96 % of entries are in their first group at half load, and if no key of
// that group is away, a miss ends there.
static __always_inline __u32 flow_search(const enum address_family family, void *block, const struct flow_place *place,
                                         const struct flow_words *key, __u32 *seq)
{
#pragma clang loop unroll(disable)
    for (__u32 step = 0; step < 2 * FLOW_GROUP_SLOTS; step++) {
        __u32 slot = flow_slot_of(place, step);
        struct recipe *recipe = flow_at(family, block, slot);

        *seq = READ_ONCE(recipe->seq);
        order_loads();
        if (likely(flow_has_key(family, recipe, key)))
            return slot;
        if (step == FLOW_GROUP_SLOTS - 1 && likely(!*flow_away(family, block, place->first)))
            break;
    }
    return FLOW_NO_SLOT;
}

static __always_inline struct flow_found flow_look_up(const enum address_family family, struct flow_control *control,
                                                      const struct flow_place *place, const struct flow_words *key)
{
    __u64 shape = READ_ONCE(control->shape);
    __u32 mask = flow_shape_new(shape);
    struct flow_found flow = {};

#pragma clang loop unroll(disable)
    for (int i = 0; i < 2; i++) {
        void *block = flow_block(family, place->place & mask);
        __u32 slot;

        if (!block)
            break;
        slot = flow_search(family, block, place, key, &flow.seq);
        if (likely(slot != FLOW_NO_SLOT)) {
            flow.recipe = flow_at(family, block, slot);
            break;
        }
        if (likely(flow_shape_old(shape) == mask))
            break;
        mask = flow_shape_old(shape);
    }
    return flow;
}

// `hook`: the key's.
static __always_inline struct flow_found flow_find(const enum address_family family, const struct flow_words *key,
                                                   __u8 hook)
{
    struct flow_control *control = flow_control_get(family);
    struct flow_found flow = {};
    struct flow_place place;
    __u32 ended;

    if (!control)
        return flow;
    place = flow_place(family, control, key, hook);
#pragma clang loop unroll(disable)
    for (int i = 0; i < FLOW_LOOK_UPS; i++) {
        ended = READ_ONCE(control->moves_ended);
        order_loads();
        flow = flow_look_up(family, control, &place, key);
        order_loads();
        if (likely(flow.recipe || READ_ONCE(control->moves_begun) == ended))
            break;
    }
    return flow;
}

// ---- Under the lock

// A key and where it may be: its block by the new shape and by the old one. What is not a pointer stands in struct
// slow_path, for want of stack.
struct flow_spot {
    struct flow_key_at *at;
    void *now, *before;
};

struct flow_pair {
    struct flow_control *control;
    struct flow_stripe *stripe;
    __u64 shape;
    struct flow_spot first, second;
};

static __always_inline int flow_spot_open(const enum address_family family, struct flow_pair *pair,
                                          struct flow_spot *spot, struct flow_key_at *at, const struct flow6_key *wide)
{
    spot->at = at;
    at->key = flow_words_of(family, wide);
    at->place = flow_place(family, pair->control, &at->key, wide->hook);
    spot->now = flow_block(family, at->place.place & flow_shape_new(pair->shape));
    spot->before = flow_block(family, at->place.place & flow_shape_old(pair->shape));
    return spot->now && spot->before;
}

// Of every place, and of every block, with these low bits.
static __always_inline struct flow_stripe *flow_stripe_get(const enum address_family family, __u32 place)
{
    __u32 index = (family == IPV6 ? FLOW_STRIPES : 0) + (place & (FLOW_STRIPES - 1));

    return bpf_map_lookup_elem(&flow_stripes, &index);
}

// Every pointer that the locked part needs. 0: not to be had (never, with maps as the agent makes them).
static __always_inline int flow_pair_open(const enum address_family family, struct slow_path *slow,
                                          struct flow_pair *pair, const struct flow6_key *first,
                                          const struct flow6_key *second)
{
    pair->control = flow_control_get(family);
    if (!pair->control)
        return 0;
    pair->shape = READ_ONCE(pair->control->shape);
    if (!flow_spot_open(family, pair, &pair->first, &slow->first, first) ||
        !flow_spot_open(family, pair, &pair->second, &slow->second, second))
        return 0;
    pair->stripe = flow_stripe_get(family, pair->first.at->place.place);
    return pair->stripe != 0;
}

static __always_inline int flow_pair_is_current(const struct flow_pair *pair)
{
    return READ_ONCE(pair->control->shape) == pair->shape;
}

struct flow_entry {
    struct recipe *recipe;  // 0: there is none
    void *block;
    __u32 slot;
};

static __always_inline struct flow_entry flow_entry_find(const enum address_family family, const struct flow_pair *pair,
                                                         const struct flow_spot *spot)
{
    struct flow_entry entry = {.block = spot->now};
    __u32 seq;

    entry.slot = flow_search(family, spot->now, &spot->at->place, &spot->at->key, &seq);
    if (entry.slot == FLOW_NO_SLOT && flow_shape_new(pair->shape) != flow_shape_old(pair->shape)) {
        entry.block = spot->before;
        entry.slot = flow_search(family, spot->before, &spot->at->place, &spot->at->key, &seq);
    }
    if (entry.slot != FLOW_NO_SLOT)
        entry.recipe = flow_at(family, entry.block, entry.slot);
    return entry;
}

#define FLOW_WORDS(family) \
    ((family) == IPV4 ? sizeof(struct flow4) / 8 : (sizeof(struct flow6) - sizeof(((struct flow6 *)0)->pad)) / 8)

// So many words of an entry, but seq and away.
static __always_inline void flow_copy(struct recipe *to, const struct recipe *from, const __u32 words)
{
    __u64 *into = (__u64 *)to;
    const __u64 *out = (const __u64 *)from;

    to->last_seen = from->last_seen;
    to->next_hop = from->next_hop;
    for (__u32 i = 1; i < words; i++)
        into[i] = out[i];
}

static __always_inline void flow_write(const enum address_family family, struct recipe *to, const struct flow6 *flow,
                                       const struct flow_words *key)
{
    seq_begin(&to->seq);
    if (family == IPV4) {
        struct flow4 *narrow = (struct flow4 *)to;

        flow_copy(to, &flow->recipe, sizeof(struct recipe) / 8);
        narrow->saddr = flow->saddr[0];
        narrow->daddr = flow->daddr[0];
    } else {
        flow_copy(to, &flow->recipe, FLOW_WORDS(family));
    }
    for (__u32 i = 0; i < FLOW_KEY_WORDS(family); i++)
        flow_words_at(family, to)[i] = key->word[i];
    seq_end(&to->seq);
}

static __always_inline void flow_clear(const enum address_family family, struct recipe *recipe)
{
    seq_begin(&recipe->seq);
    for (__u32 i = 0; i < FLOW_KEY_WORDS(family); i++)
        flow_words_at(family, recipe)[i] = 0;
    seq_end(&recipe->seq);
}

// Frees the slot of an entry whose key has this place.
static __always_inline void flow_entry_clear(const enum address_family family, const struct flow_entry *entry,
                                             const struct flow_place *place)
{
    flow_clear(family, entry->recipe);
    if (entry->slot / FLOW_GROUP_SLOTS != place->first)
        *flow_away(family, entry->block, place->first) -= 1;
}

// Moves an entry whose key has this place to a free slot; the group's `away` must count it already if that slot is in the second
// group.
static __always_inline void flow_entry_move(const enum address_family family, struct flow_control *control,
                                            struct recipe *to, const struct flow_entry *entry,
                                            const struct flow_place *place)
{
    moves_begin(control);
    seq_begin(&to->seq);
    flow_copy(to, entry->recipe, FLOW_WORDS(family));
    seq_end(&to->seq);
    flow_entry_clear(family, entry, place);
    moves_end(control);
}

static __always_inline __u32 flow_free_slot(const enum address_family family, void *block, __u32 group, __u32 turn)
{
#pragma clang loop unroll(disable)
    for (__u32 step = 0; step < FLOW_GROUP_SLOTS; step++) {
        __u32 slot = flow_slot(group, turn, step);

        if (flow_is_free(family, flow_at(family, block, slot)))
            return slot;
    }
    return FLOW_NO_SLOT;
}

static __always_inline int flow_is_victim(__u8 state)
{
    return state != FLOW_ESTABLISHED;
}

// Both groups are full: the slot of an entry that could move to its other group, and did; FLOW_NO_SLOT if none could.
// Entries that wait for the mover (their block by the new shape is another) stay: moved behind it, they would be lost.
// `mask` is the new one. `victim`, if one is asked for: the oldest entry that is not established, but never `keep`; its
// state is 0 if there is none.
static __always_inline __u32 flow_make_room(const enum address_family family, struct flow_control *control, __u32 mask,
                                            void *block, const struct flow_place *wanted, const struct recipe *keep,
                                            struct flow_victim *victim)
{
#pragma clang loop unroll(disable)
    for (__u32 step = 0; step < 2 * FLOW_GROUP_SLOTS; step++) {
        __u32 slot = flow_slot_of(wanted, step);
        struct recipe *recipe = flow_at(family, block, slot);
        struct flow_words *key = (struct flow_words *)flow_words_at(family, recipe);
        struct flow_place place = flow_place(family, control, key, flow_hook_at(family, recipe));
        __u32 is_away = slot / FLOW_GROUP_SLOTS != place.first;
        __u32 free;

        if ((place.place & mask) == (wanted->place & mask)) {
            free = flow_free_slot(family, block, is_away ? place.first : place.second, place.turn);
            if (free != FLOW_NO_SLOT) {
                struct flow_entry entry = {recipe, block, slot};

                if (!is_away)
                    *flow_away(family, block, place.first) += 1;
                flow_entry_move(family, control, flow_at(family, block, free), &entry, &place);
                return slot;
            }
        }
        if (victim && recipe != keep && flow_is_victim(recipe->state) &&
            (!victim->state || (__s16)(recipe->last_seen - victim->last_seen) < 0)) {
            victim->state = recipe->state;
            victim->last_seen = recipe->last_seen;
            victim->key = flow_key_of_words(family, key);
        }
    }
    return FLOW_NO_SLOT;
}

// A free slot for the key, or FLOW_NO_SLOT and perhaps a victim.
static __always_inline __u32 flow_take_slot(const enum address_family family, const struct flow_pair *pair,
                                            const struct flow_spot *spot, const struct recipe *keep,
                                            struct flow_victim *victim)
{
    __u32 slot = flow_free_slot(family, spot->now, spot->at->place.first, spot->at->place.turn);

    if (slot == FLOW_NO_SLOT)
        slot = flow_free_slot(family, spot->now, spot->at->place.second, spot->at->place.turn);
    if (slot == FLOW_NO_SLOT)
        slot = flow_make_room(family, pair->control, flow_shape_new(pair->shape), spot->now, &spot->at->place, keep, victim);
    if (slot != FLOW_NO_SLOT && slot / FLOW_GROUP_SLOTS != spot->at->place.first)
        *flow_away(family, spot->now, spot->at->place.first) += 1;
    return slot;
}

// ---- The table's operations, for the slow path: each a function of its own for each family, with what it needs in
// struct slow_path.

enum put_result {
    PUT_DONE,
    PUT_REQUEST_TAKEN,  // the flow is there already, made by another CPU: use it
    PUT_REPLY_TAKEN,    // another flow has the reply key (slow->rival): try another port
    PUT_NO_ROOM,        // slow->victim may give way
    PUT_AGAIN,          // the table grew meanwhile
};

static __always_inline enum put_result flow_put_locked(const enum address_family family, struct slow_path *slow,
                                                       const struct flow_pair *pair)
{
    const struct flow_spot *request = &pair->first, *reply = &pair->second;
    struct flow_entry entry;
    struct recipe *put;
    __u32 slot;

    if (!flow_pair_is_current(pair))
        return PUT_AGAIN;
    entry = flow_entry_find(family, pair, request);
    if (entry.recipe)
        return PUT_REQUEST_TAKEN;
    entry = flow_entry_find(family, pair, reply);
    if (entry.recipe) {
        slow->rival.state = entry.recipe->state;
        slow->rival.last_seen = entry.recipe->last_seen;
        return PUT_REPLY_TAKEN;
    }
    // The reply first: a reader that finds the request can count on it.
    slot = flow_take_slot(family, pair, reply, 0, &slow->victim);
    if (slot == FLOW_NO_SLOT)
        return PUT_NO_ROOM;
    put = flow_at(family, reply->now, slot);
    flow_write(family, put, &slow->reply, &reply->at->key);
    slot = flow_take_slot(family, pair, request, put, &slow->victim);
    if (slot == FLOW_NO_SLOT) {
        entry = flow_entry_find(family, pair, reply);
        if (entry.recipe)
            flow_entry_clear(family, &entry, &reply->at->place);
        return PUT_NO_ROOM;
    }
    flow_write(family, flow_at(family, request->now, slot), &slow->request, &request->at->key);
    pair->stripe->entries += 2;
    return PUT_DONE;
}

// The next doubling begins when a stripe has more entries than three eighths of its slots, and the last one is over: new
// entries then still find room while the others are moved.
static __always_inline void flow_grow_if_due(struct flow_control *control, __u64 shape, __u32 stripe_entries)
{
    __u32 mask = flow_shape_new(shape);
    __u32 stripe_slots = (mask + 1) / FLOW_STRIPES * FLOW_BLOCK_SLOTS;
    struct flow_timer *timer;
    __u32 zero = 0;

    if (likely(stripe_entries <= stripe_slots / 8 * 3) || mask != flow_shape_old(shape) || mask >= control->max_mask)
        return;
    if (__sync_val_compare_and_swap(&control->shape, shape, (__u64)mask << 32 | (2 * mask + 1)) != shape)
        return;
    count(FLOW_TABLE_GREW);
    timer = bpf_map_lookup_elem(&flow_timer, &zero);
    if (timer)
        bpf_timer_start(&timer->timer, 0, 0);  // upkeep moves the entries; it is late by no more than its period if this fails
}

// Puts slow->request at slow->request_key and slow->reply at slow->reply_key, both or none.
static __always_inline enum put_result flow_put_pair(const enum address_family family, struct slow_path *slow)
{
    enum put_result result;
    struct flow_pair pair;
    __u32 entries;

    slow->victim.state = 0;
    if (!flow_pair_open(family, slow, &pair, &slow->request_key, &slow->reply_key))
        return PUT_NO_ROOM;
    bpf_spin_lock(&pair.stripe->lock);
    result = flow_put_locked(family, slow, &pair);
    entries = pair.stripe->entries;
    bpf_spin_unlock(&pair.stripe->lock);
    flow_grow_if_due(pair.control, pair.shape, entries);
    return result;
}

enum flow_condition {
    FLOW_IF_CLOSING,
    FLOW_IF_HALF_OPEN,
    FLOW_IF_NOT_ESTABLISHED,
    FLOW_IF_IDLE,
    FLOW_ALWAYS,
};

static __always_inline int flow_is_idle(const struct recipe *recipe, __u8 protocol, __u32 now)
{
    __s16 idle = (__u16)now - recipe->last_seen;  // negative: seen after `now` was read

    return idle > (__s32)(((__u64)flow_timeout(protocol, recipe->state) * 1000000000 >> TICK_SHIFT) + 1);
}

static __always_inline int flow_may_go(const struct recipe *recipe, __u8 protocol, enum flow_condition condition,
                                       __u32 now)
{
    switch (condition) {
    case FLOW_IF_CLOSING:
        return recipe->state == FLOW_CLOSING;
    case FLOW_IF_HALF_OPEN:
        return recipe->state == FLOW_HALF_OPEN;
    case FLOW_ALWAYS:
        return 1;
    case FLOW_IF_NOT_ESTABLISHED:
        return flow_is_victim(recipe->state);
    default:
        return flow_is_idle(recipe, protocol, now);
    }
}

// Does the entry still translate as it did when slow->found was copied? If not, a new flow has its key.
static __always_inline int flow_translates_alike(const enum address_family family, const struct recipe *recipe,
                                                 const struct flow6 *found)
{
    if (recipe->sport != found->recipe.sport || recipe->dport != found->recipe.dport)
        return 0;
    if (family == IPV4)
        return ((const struct flow4 *)recipe)->saddr == found->saddr[0] &&
               ((const struct flow4 *)recipe)->daddr == found->daddr[0];
    for (int i = 0; i < 4; i++)
        if (((const struct flow6 *)recipe)->saddr[i] != found->saddr[i] ||
            ((const struct flow6 *)recipe)->daddr[i] != found->daddr[i])
            return 0;
    return 1;
}

enum {
    FLOW_WHOLE = 1,  // both entries were there
    FLOW_HALF = 2,   // one was: a bug
};

static __always_inline int flow_remove_locked(const enum address_family family, const struct slow_path *slow,
                                              const struct flow_pair *pair, enum flow_condition condition)
{
    __u8 protocol = slow->victim.key.protocol;
    struct flow_entry first, second;

    if (!flow_pair_is_current(pair))
        return 0;
    first = flow_entry_find(family, pair, &pair->first);
    if (!first.recipe || !flow_translates_alike(family, first.recipe, &slow->found))
        return 0;
    second = flow_entry_find(family, pair, &pair->second);
    if (!flow_may_go(first.recipe, protocol, condition, slow->now) ||
        (second.recipe && !flow_may_go(second.recipe, protocol, condition, slow->now)))
        return 0;
    flow_entry_clear(family, &first, &pair->first.at->place);
    pair->stripe->entries -= 1;
    if (!second.recipe)
        return FLOW_HALF;
    flow_entry_clear(family, &second, &pair->second.at->place);
    pair->stripe->entries -= 1;
    return FLOW_WHOLE;
}

// Removes the flow of which slow->victim.key is one key, if the condition holds for it. 1: it is gone.
static __always_inline int flow_remove_pair(const enum address_family family, struct slow_path *slow,
                                            enum flow_condition condition)
{
    struct flow_words key = flow_words_of(family, &slow->victim.key);
    struct flow_found flow = flow_find(family, &key, slow->victim.key.hook);
    struct flow_pair pair;
    int removed;

    if (!flow.recipe)
        return 0;
    flow_widen(family, &slow->found, flow.recipe);
    flow_partner_key(&slow->victim.partner, &slow->victim.key, &slow->found);
    if (!flow_pair_open(family, slow, &pair, &slow->victim.key, &slow->victim.partner))
        return 0;
    bpf_spin_lock(&pair.stripe->lock);
    removed = flow_remove_locked(family, slow, &pair, condition);
    bpf_spin_unlock(&pair.stripe->lock);
    if (removed == FLOW_HALF)
        count(FLOW_HALF_FOUND);
    return removed != 0;
}

// The new state of the flow of slow->request_key and slow->reply_key, in both entries, and of a SYN slow->opening. If another CPU changed it since it was
// read, only closing still counts: else a last ACK beside a FIN would keep the flow for hours.
static __always_inline void flow_set_state(const enum address_family family, struct slow_path *slow)
{
    struct flow_entry first, second;
    struct flow_pair pair;

    if (!flow_pair_open(family, slow, &pair, &slow->request_key, &slow->reply_key))
        return;
    bpf_spin_lock(&pair.stripe->lock);
    first = flow_entry_find(family, &pair, &pair.first);
    second = flow_entry_find(family, &pair, &pair.second);
    if (flow_pair_is_current(&pair) && first.recipe && second.recipe &&
        flow_translates_alike(family, first.recipe, &slow->found) &&
        (first.recipe->state == slow->found.recipe.state || slow->next_state == FLOW_CLOSING)) {
        first.recipe->state = slow->next_state;
        first.recipe->watch = slow->watch;
        second.recipe->state = slow->next_state;
        second.recipe->watch = slow->partner_watch;
        if (slow->is_opening && slow->reply_key.hook == FLOW_EGRESS)
            second.recipe->opening = slow->opening;
    }
    bpf_spin_unlock(&pair.stripe->lock);
}

// The next hop slow->route for the entry of slow->request_key.
static __always_inline void flow_set_next_hop(const enum address_family family, struct slow_path *slow)
{
    struct flow_entry entry;
    struct flow_pair pair;

    if (!flow_pair_open(family, slow, &pair, &slow->request_key, &slow->request_key))
        return;
    bpf_spin_lock(&pair.stripe->lock);
    entry = flow_entry_find(family, &pair, &pair.first);
    if (flow_pair_is_current(&pair) && entry.recipe && flow_translates_alike(family, entry.recipe, &slow->found)) {
        seq_begin(&entry.recipe->seq);
        route_into_recipe(entry.recipe, &slow->route, slow->epoch);
        seq_end(&entry.recipe->seq);
    }
    bpf_spin_unlock(&pair.stripe->lock);
}

// Without the lock: does a flow seem to have slow->reply_key?
static __always_inline int flow_seems_taken(const enum address_family family, const struct slow_path *slow)
{
    struct flow_words key = flow_words_of(family, &slow->reply_key);

    return flow_find(family, &key, slow->reply_key.hook).recipe != 0;
}

// Global functions: the verifier looks at each once, and not along every path that leads to it. They have to return a number.
__noinline int flow_put4(struct slow_path *slow) { return slow ? flow_put_pair(IPV4, slow) : PUT_NO_ROOM; }
__noinline int flow_put6(struct slow_path *slow) { return slow ? flow_put_pair(IPV6, slow) : PUT_NO_ROOM; }
__noinline int flow_state4(struct slow_path *slow) { return slow ? flow_set_state(IPV4, slow), 0 : 0; }
__noinline int flow_state6(struct slow_path *slow) { return slow ? flow_set_state(IPV6, slow), 0 : 0; }
__noinline int flow_next_hop4(struct slow_path *slow) { return slow ? flow_set_next_hop(IPV4, slow), 0 : 0; }
__noinline int flow_next_hop6(struct slow_path *slow) { return slow ? flow_set_next_hop(IPV6, slow), 0 : 0; }
__noinline int flow_taken4(struct slow_path *slow) { return slow ? flow_seems_taken(IPV4, slow) : 1; }
__noinline int flow_taken6(struct slow_path *slow) { return slow ? flow_seems_taken(IPV6, slow) : 1; }

__noinline int flow_remove4(struct slow_path *slow, int condition)
{
    return slow ? flow_remove_pair(IPV4, slow, condition) : 0;
}

__noinline int flow_remove6(struct slow_path *slow, int condition)
{
    return slow ? flow_remove_pair(IPV6, slow, condition) : 0;
}

static __always_inline enum put_result flow_put(struct slow_path *slow)
{
    return slow->family == IPV4 ? flow_put4(slow) : flow_put6(slow);
}

static __always_inline int flow_is_taken(struct slow_path *slow)
{
    return slow->family == IPV4 ? flow_taken4(slow) : flow_taken6(slow);
}

static __always_inline int flow_remove(struct slow_path *slow, enum flow_condition condition)
{
    return slow->family == IPV4 ? flow_remove4(slow, condition) : flow_remove6(slow, condition);
}

static __always_inline void flow_change_state(struct slow_path *slow)
{
    slow->family == IPV4 ? flow_state4(slow) : flow_state6(slow);
}

static __always_inline void flow_change_next_hop(struct slow_path *slow)
{
    slow->family == IPV4 ? flow_next_hop4(slow) : flow_next_hop6(slow);
}
