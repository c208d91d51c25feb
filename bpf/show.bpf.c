// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// `cat /sys/fs/bpf/shunt/show/services` and its siblings: the pinned maps as lines for people, with no agent and no
// binary on the node.
//
// Iterators over map elements would be made for this, but hardened kernels refuse to load them (they hand
// out writable pointers). So each program walks its map itself, a chunk in each call, and the iterator is only what calls it
// often enough: there are more kernel symbols than chunks. An entry that comes or goes during the walk may be missed
// or shown twice.
#include "bpf/flow/table.h"
#include "bpf/show_text.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// The kernel's, as far as needed; the loader finds the fields by name.
struct bpf_iter_meta {
    struct seq_file *seq;
    __u64 session_id;
    __u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__ksym {
    struct bpf_iter_meta *meta;
} __attribute__((preserve_access_index));

// Tables of characters, not of pointers: read-only data cannot hold an address.
static const char protocol_words[2][4] = {"TCP", "UDP"};
static const char type_words[4][16] = {"?", "ClusterIP", "NodePort", "LoadBalancer"};
static const char frontend_words[5][16] = {"?", "NodePort", "LoadBalancer", "ExternalIP", "all-ports"};
static const char placement_words[3][8] = {"?", "here", "remote"};
static const char backend_words[5][24] = {"?", "ready", "serving-terminating", "terminating", "not-ready"};
static const char kind_words[3][8] = {"?", "local", "remote"};
static const char flow_state_words[5][16] = {"?", "half-open", "replied", "established", "closing"};
static const char policy_words[3][8] = {"?", "Cluster", "Local"};
static const char treatment_words[6][48] = {
    "?",
    "served",
    "left to the stack: cluster IPs only",
    "left to the stack: SNAT port clash",
    "left to the stack: a map is full",
    "left to the stack: another has its frontend",
};
static const char event_names[EVENT_COUNT][40] = {
#define EVENT(kind, name, meaning, cause, next_step) #name,
#include "maps/event.def"
#undef EVENT
};
static const char event_meanings[EVENT_COUNT][96] = {
#define EVENT(kind, name, meaning, cause, next_step) meaning,
#include "maps/event.def"
#undef EVENT
};

#define WORD(table, index) table[(index) < sizeof(table) / sizeof(table[0]) ? (index) : 0]
#define PROTOCOL(number) protocol_words[(number) == UDP]

// A call writes into one buffer of 32 KiB: so many entries of the longest lines fit.
#define CHUNK 80

struct walk {
    struct seq_file *seq;
    __u64 left;  // entries until the end of this call's chunk; counted down, so that the verifier sees it converge
};

enum step {
    STEP_SHOW,
    STEP_SKIP,
    STEP_STOP,
};

static __always_inline enum step walk_step(struct walk *walk)
{
    __u64 left = walk->left;

    if (!left)
        return STEP_STOP;
    walk->left = left - 1;
    return left > CHUNK ? STEP_SKIP : STEP_SHOW;
}

// One call of an iterator. `done` remembers the reader (each has a session) that has seen all of the map; readers at
// the same time overwrite each other's note, then a walk goes on and finds nothing.
static __always_inline int show(const struct bpf_iter_meta *meta, void *map, void *entry, const char *header,
                                __u32 header_size, __u64 *done)
{
    struct walk walk = {.seq = meta->seq, .left = (meta->seq_num + 1) * CHUNK};

    if (*done == meta->session_id)
        return 0;
    if (meta->seq_num == 0)
        bpf_seq_printf(walk.seq, header, header_size, 0, 0);
    bpf_for_each_map_elem(map, entry, &walk, 0);
    if (walk.left)
        *done = meta->session_id;
    return 0;
}

static long show_service(void *map, const __u32 *id, const struct service *service, struct walk *walk)
{
    enum step step = walk_step(walk);

    if (step != STEP_SHOW)
        return step == STEP_STOP;
    BPF_SEQ_PRINTF(walk->seq, "%-6u %-20s %-32s %-5u %-5s %-4u %-12s %-9u ", *id, service->service_namespace,
                   service->name, service->port, PROTOCOL(service->protocol), service->family,
                   WORD(type_words, service->type), service->node_port);
    BPF_SEQ_PRINTF(walk->seq, "%-7s %-6u %-6u %-8u %-6u %s\n", WORD(policy_words, service->external_policy),
                   SERVICE_SLICE_SIZE(service->slice), SERVICE_SLICE_SIZE(service->local_slice),
                   service->affinity_timeout_s, service->source_ranges, WORD(treatment_words, service->treatment));
    return 0;
}

static const char services_header[] =
    "ID     NAMESPACE            SERVICE                          PORT  PROTO IPV  TYPE         NODE-PORT POLICY  SLOTS  LOCAL  AFFINITY RANGES TREATMENT\n";

SEC("iter/ksym")
int show_services(struct bpf_iter__ksym *ctx)
{
    static __u64 done;

    return show(ctx->meta, &services, show_service, services_header, sizeof(services_header), &done);
}

static long show_frontend(void *map, const struct frontend_key *key, const struct frontend *frontend,
                          struct walk *walk)
{
    enum step step = walk_step(walk);
    struct text address = {};

    if (step != STEP_SHOW)
        return step == STEP_STOP;
    text_endpoint(&address, key->family == IPV4, key->address, key->port);
    BPF_SEQ_PRINTF(walk->seq, "%-5s %-47s %-12s %u\n", PROTOCOL(key->protocol), address.bytes,
                   WORD(frontend_words, frontend->kind), frontend->service);
    return 0;
}

static const char frontends_header[] =
    "PROTO FRONTEND                                        KIND         SERVICE-ID\n";

SEC("iter/ksym")
int show_frontends(struct bpf_iter__ksym *ctx)
{
    static __u64 done;

    return show(ctx->meta, &frontends, show_frontend, frontends_header, sizeof(frontends_header), &done);
}

static long show_backend(void *map, const __u32 *id, const struct backend *backend, struct walk *walk)
{
    enum step step = walk_step(walk);
    struct text address = {};

    if (step != STEP_SHOW)
        return step == STEP_STOP;
    text_endpoint(&address, backend->family == IPV4, backend->address, backend->port);
    BPF_SEQ_PRINTF(walk->seq, "%-6u %-10u %-5s %-47s %-6s %-20s %-6u %s\n", *id, backend->service,
                   PROTOCOL(backend->protocol), address.bytes, WORD(placement_words, backend->placement),
                   WORD(backend_words, backend->state), backend->slots, backend->node);
    return 0;
}

static const char backends_header[] =
    "ID     SERVICE-ID PROTO BACKEND                                         WHERE  STATE                SLOTS  NODE\n";

SEC("iter/ksym")
int show_backends(struct bpf_iter__ksym *ctx)
{
    static __u64 done;

    return show(ctx->meta, &backends, show_backend, backends_header, sizeof(backends_header), &done);
}

struct flow_text {
    struct text client, frontend, backend, source;
};

static __always_inline void flow_text4(struct flow_text *text, const struct flow4 *flow)
{
    text_endpoint4(&text->client, flow->key.saddr, bpf_ntohs(flow->key.sport));
    text_endpoint4(&text->frontend, flow->key.daddr, bpf_ntohs(flow->key.dport));
    text_endpoint4(&text->backend, flow->daddr, bpf_ntohs(flow->recipe.dport));
    text_endpoint4(&text->source, flow->saddr, bpf_ntohs(flow->recipe.sport));
}

static __always_inline void flow_text6(struct flow_text *text, const struct flow6 *flow)
{
    text_endpoint6(&text->client, flow->key.saddr, bpf_ntohs(flow->key.sport));
    text_endpoint6(&text->frontend, flow->key.daddr, bpf_ntohs(flow->key.dport));
    text_endpoint6(&text->backend, flow->daddr, bpf_ntohs(flow->recipe.dport));
    text_endpoint6(&text->source, flow->saddr, bpf_ntohs(flow->recipe.sport));
}

// One line a flow, from its request entry; none if it changes meanwhile.
static __always_inline void show_flow(struct seq_file *seq, const enum address_family family, struct recipe *recipe)
{
    struct flow_found flow = {.recipe = recipe, .seq = READ_ONCE(recipe->seq)};
    __s16 ticks = (__u16)(bpf_ktime_get_ns() >> TICK_SHIFT) - recipe->last_seen;
    __u64 idle_s = ticks < 0 ? 0 : ((__u64)ticks << TICK_SHIFT) / 1000000000;
    struct flow_text text = {};
    __u8 protocol;

    order_loads();
    if (family == IPV4) {
        flow_text4(&text, (const struct flow4 *)recipe);
        protocol = ((const struct flow4 *)recipe)->key.protocol;
    } else {
        flow_text6(&text, (const struct flow6 *)recipe);
        protocol = ((const struct flow6 *)recipe)->key.protocol;
    }
    if (flow_holds(&flow))
        BPF_SEQ_PRINTF(seq, "%-5s  %s > %s > %s  (%s)  %s %s %llus  service-id %u\n", PROTOCOL(protocol),
                       text.client.bytes, text.frontend.bytes, text.backend.bytes, text.source.bytes,
                       WORD(kind_words, recipe_kind_of(FLOW_INGRESS, recipe->next_hop)),
                       WORD(flow_state_words, recipe->state), idle_s, recipe->service);
}

struct flow_walk {
    struct seq_file *seq;
    void *block;
};

static __always_inline long show_slot(const enum address_family family, __u32 slot, struct flow_walk *walk)
{
    struct recipe *recipe = flow_at(family, walk->block, slot);

    if (!flow_is_free(family, recipe) && flow_hook_at(family, recipe) == FLOW_INGRESS)
        show_flow(walk->seq, family, recipe);
    return 0;
}

static long show_slot4(__u32 slot, struct flow_walk *walk)
{
    return show_slot(IPV4, slot, walk);
}

static long show_slot6(__u32 slot, struct flow_walk *walk)
{
    return show_slot(IPV6, slot, walk);
}

// The tables are arrays, so a call shows the block of its own number: the time is proportional to the part of the
// table in use.
static __always_inline int show_flows(const struct bpf_iter_meta *meta, const enum address_family family, void *slot)
{
    __u32 index = meta->seq_num;
    struct flow_control *control = flow_control_get(family);
    struct flow_walk walk = {.seq = meta->seq};

    if (meta->seq_num == 0)
        BPF_SEQ_PRINTF(meta->seq, "%s",
                       "PROTO  client > frontend > backend  (what the backend sees as the source)  where state idle\n");
    if (!control || index > flow_shape_new(READ_ONCE(control->shape)))
        return 0;
    walk.block = flow_block(family, index);
    if (walk.block)
        bpf_loop(FLOW_BLOCK_SLOTS, slot, &walk, 0);
    return 0;
}

SEC("iter/ksym")
int show_flows4(struct bpf_iter__ksym *ctx)
{
    return show_flows(ctx->meta, IPV4, show_slot4);
}

SEC("iter/ksym")
int show_flows6(struct bpf_iter__ksym *ctx)
{
    return show_flows(ctx->meta, IPV6, show_slot6);
}

// How many values an entry of a per-CPU map has; set before loading.
const volatile __u32 possible_cpus = 1;

static __noinline __u64 event_sum(__u32 event)
{
    __u32 zero = 0;
    __u64 sum = 0;

    if (event >= EVENT_COUNT)
        return 0;
    for (__u32 cpu = 0; cpu < possible_cpus; cpu++) {
        __u64 *counts = bpf_map_lookup_percpu_elem(&counters, &zero, cpu);

        if (counts)
            sum += counts[event];
    }
    return sum;
}

// All events are fields of one value.
static long show_counts(void *map, const __u32 *key, const struct event_counts *here, struct walk *walk)
{
    enum step step = walk_step(walk);

    if (step != STEP_SHOW)
        return step == STEP_STOP;
    for (__u32 event = 0; event < EVENT_COUNT; event++)
        BPF_SEQ_PRINTF(walk->seq, "%-28s %16llu  %s\n", event_names[event], event_sum(event), event_meanings[event]);
    return 0;
}

static const char counters_header[] =
    "EVENT                                   COUNT  MEANING\n";

SEC("iter/ksym")
int show_counters(struct bpf_iter__ksym *ctx)
{
    static __u64 done;

    return show(ctx->meta, &counters, show_counts, counters_header, sizeof(counters_header), &done);
}
