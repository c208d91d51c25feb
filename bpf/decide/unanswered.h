// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Endpoints that are ready for Kubernetes and answer nothing: SYNs are counted until one is answered. Only TCP's;
// whether a datagram wants an answer nobody knows.
#pragma once

#include "bpf/clock.h"
#include "bpf/maps.h"
#include "bpf/packet/packet.h"

static __always_inline struct unanswered_key unanswered_key(enum address_family family, const void *address, __u16 port)
{
    struct unanswered_key key = {.port = port, .family = family};

    __builtin_memcpy(key.address, address, ADDRESS_SIZE);
    return key;
}

// A SYN went to the endpoint. `port` in host order, as everywhere here.
static __always_inline void unanswered_note(enum address_family family, const void *address, __u16 port)
{
    struct unanswered_key key = unanswered_key(family, address, port);
    struct unanswered *entry = bpf_map_lookup_elem(&unanswered, &key);
    __u64 now = bpf_ktime_get_coarse_ns();

    if (!entry) {
        struct unanswered first = {.first_ns = now, .syns = 1, .probe = now >> TICK_SHIFT};

        bpf_map_update_elem(&unanswered, &key, &first, BPF_NOEXIST);
        return;
    }
    if (!entry->syns)
        entry->first_ns = now;
    __sync_fetch_and_add(&entry->syns, 1);
}

static __always_inline void unanswered_end(enum address_family family, const void *address, __u16 port)
{
    struct unanswered_key key = unanswered_key(family, address, port);
    struct unanswered *entry = bpf_map_lookup_elem(&unanswered, &key);

    if (entry && entry->syns)
        entry->syns = 0;
}

// Does a new flow pass the backend over? One each tick tries it all the same. A flow that waited once already takes no risk.
// A global function, as in flow/table.h.
__noinline int unanswered_shuns(const struct backend *backend, int is_rescue)
{
    struct unanswered_key key = {};
    struct unanswered *entry;
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 probe;

    if (!backend)
        return 0;
    key = unanswered_key(backend->family, backend->address, backend->port);
    entry = bpf_map_lookup_elem(&unanswered, &key);
    if (!entry)
        return 0;
    if (is_rescue)
        return entry->syns && now - entry->first_ns >= UNANSWERED_RESCUE_NS;
    if (entry->syns < UNANSWERED_SYNS || now - entry->first_ns < UNANSWERED_NS)
        return 0;
    probe = entry->probe;
    return probe == (__u32)(now >> TICK_SHIFT) ||
           __sync_val_compare_and_swap(&entry->probe, probe, (__u32)(now >> TICK_SHIFT)) != probe;
}
