// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>

#include "agent/datapath/order.h"
#include "maps/affinity.h"
#include "maps/backend.h"
#include "maps/control.h"
#include "maps/service.h"
#include "maps/slot.h"
#include "maps/source_range.h"
#include "maps/unanswered.h"

#include "forward.skel.h"  // last: it undefines _Static_assert

namespace shunt::test {

namespace {

constexpr std::uint32_t SLOTS_PER_BACKEND = 64;

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::abort();
}

template <typename Key, typename Value>
void put(bpf_map* map, const Key& key, const Value& value) {
    if (bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY)) {
        give_up(bpf_map__name(map));
    }
}

template <typename Key>
void clear(bpf_map* map) {
    Key key;
    while (!bpf_map_get_next_key(bpf_map__fd(map), nullptr, &key)) {
        bpf_map_delete_elem(bpf_map__fd(map), &key);
    }
}

void copy_address(std::uint8_t* to, const packet::Address& from) {
    std::copy(from.octets.begin(), from.octets.end(), to);
}

std::uint16_t host16(__be16 value) {
    return static_cast<std::uint16_t>(value << 8 | value >> 8);
}

packet::Address address_of(int version, const void* bytes) {
    return {version, {static_cast<const std::uint8_t*>(bytes), version == 4 ? 4u : 16u}};
}

packet::Mac mac_of(const __u8* bytes) {
    packet::Mac mac = "00:00:00:00:00:00";
    std::copy_n(bytes, 6, mac.octets.begin());
    return mac;
}

template <typename Value>
Flow flow_of(int version, const Value& value) {
    const auto& key = value.key;
    const recipe& recipe = value.recipe;
    Flow flow{
        .key = {.saddr = address_of(version, &key.saddr),
                .daddr = address_of(version, &key.daddr),
                .sport = host16(key.sport),
                .dport = host16(key.dport),
                .protocol = static_cast<l4_protocol>(key.protocol),
                .hook = key.hook == FLOW_EGRESS ? FLOW_EGRESS : FLOW_INGRESS},
        .kind = recipe_kind_of(key.hook, recipe.next_hop),
        .state = static_cast<flow_state>(recipe.state),
        .saddr = address_of(version, &value.saddr),
        .daddr = address_of(version, &value.daddr),
        .sport = host16(recipe.sport),
        .dport = host16(recipe.dport),
        .service = recipe.service,
        .ifindex = recipe.ifindex,
    };
    if (flow.kind == RECIPE_REMOTE_REQUEST || flow.kind == RECIPE_REMOTE_REPLY) {
        flow.hop = recipe.next_hop;
        flow.mtu = recipe.mtu;
        flow.dmac = mac_of(recipe.macs);
        flow.smac = mac_of(recipe.macs + 6);
    }
    return flow;
}

// What the agent does when it makes the maps: seeds, and the smallest shape.
void prepare_flow_table(bpf_map* map, unsigned blocks) {
    std::mt19937_64 random(std::random_device{}());
    flow_control control{};
    control.shape = std::uint64_t{FLOW_STRIPES - 1} << 32 | (FLOW_STRIPES - 1);
    control.max_mask = blocks - 1;
    control.multiplier = random() | 1;
    std::ranges::generate(control.seeds, std::ref(random));
    put(map, __u32{0}, control);
    put(map, __u32{1}, control);
}

// Calls visit(slot) for each slot of a mapped table; the slots may be changed.
template <typename Block, typename Visit>
void each_slot(bpf_map* map, Visit visit) {
    const std::size_t size = bpf_map__max_entries(map) * sizeof(Block);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (memory == MAP_FAILED) {
        give_up(bpf_map__name(map));
    }
    for (unsigned i = 0; i < bpf_map__max_entries(map); i++) {
        for (auto& slot : static_cast<Block*>(memory)[i].slots) {
            visit(slot);
        }
    }
    munmap(memory, size);
}

forward_bpf* load(const Datapath::Options& options) {
    libbpf_set_print([](libbpf_print_level level, const char* format, va_list arguments) {
        return level == LIBBPF_WARN ? std::vfprintf(stderr, format, arguments) : 0;
    });
    forward_bpf* skeleton = forward_bpf__open();
    if (!skeleton) {
        give_up("open forward_bpf");
    }
    bpf_map__set_max_entries(skeleton->maps.frontends, 256);
    bpf_map__set_max_entries(skeleton->maps.services, 256);
    bpf_map__set_max_entries(skeleton->maps.service_counters, 256);
    bpf_map__set_max_entries(skeleton->maps.backends, 256);
    bpf_map__set_max_entries(skeleton->maps.slots, options.slots / 2);
    bpf_map__set_max_entries(skeleton->maps.flows4, options.flow_blocks);
    bpf_map__set_max_entries(skeleton->maps.flows6, options.flow_blocks);
    bpf_program__set_flags(skeleton->progs.xdp_slow, BPF_F_XDP_HAS_FRAGS);
    skeleton->rodata->strongly_ordered = kStronglyOrdered;
    skeleton->rodata->snat_port_min = options.snat_port_min;
    skeleton->rodata->snat_port_count = options.snat_port_count;
    skeleton->rodata->fib_lookup_source_flag = options.route_tells_source ? BPF_FIB_LOOKUP_SRC : 0;
    if (forward_bpf__load(skeleton)) {
        give_up("load forward_bpf");
    }
    prepare_flow_table(skeleton->maps.flow_control, options.flow_blocks);
    return skeleton;
}

Verdict verdict_of(Program program, std::uint32_t action) {
    if (program == Program::XDP_INGRESS) {
        return action == XDP_PASS       ? Verdict::PASSED
               : action == XDP_DROP     ? Verdict::DROPPED
               : action == XDP_TX       ? Verdict::SENT_BACK
               : action == XDP_REDIRECT ? Verdict::REDIRECTED
                                        : Verdict::OTHER;
    }
    return action == static_cast<std::uint32_t>(TC_ACT_UNSPEC) ? Verdict::PASSED
           : action == TC_ACT_SHOT                             ? Verdict::DROPPED
           : action == TC_ACT_REDIRECT                         ? Verdict::REDIRECTED
                                                               : Verdict::OTHER;
}

// The kernel's own check is there from 6.17 on.
bool kernel_checks_checksum_complete(int program_fd) {
    static const bool yes = [program_fd] {
        const packet::Bytes frame = packet::Ethernet{} / packet::Payload{packet::Bytes(60)};
        LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(), .data_size_in = static_cast<__u32>(frame.size()),
                    .flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE);
        return bpf_prog_test_run_opts(program_fd, &run) == 0;
    }();
    return yes;
}

}  // namespace

Datapath::Datapath(const Options& options) : skeleton_(load(options), forward_bpf__destroy) {}

Datapath::~Datapath() = default;

void Datapath::reset(const Network& network) {
    clear<frontend_key>(skeleton_->maps.frontends);
    clear<__u32>(skeleton_->maps.services);
    clear<__u32>(skeleton_->maps.service_counters);
    clear<__u32>(skeleton_->maps.backends);
    clear<__u32>(skeleton_->maps.devices);
    clear<affinity_key>(skeleton_->maps.affinity);
    clear<unanswered_key>(skeleton_->maps.unanswered);
    clear<source_range_key>(skeleton_->maps.source_ranges);
    remove_flows();
    next_service_ = next_backend_ = 1;
    next_slot_ = 0;
    slices_.clear();
    put_device(network.uplink, TRANSMIT_BY_XDP);
    put_device(network.storage, TRANSMIT_BY_XDP);
    put(skeleton_->maps.control, __u32{0}, control{.abi = SHUNT_ABI, .route_epoch = 7, .heartbeat = tick_now(), .drain = DRAIN_NONE});
}

std::uint32_t Datapath::serve(const std::vector<Frontend>& frontends, const std::vector<BackendAt>& backends) {
    const std::uint32_t id = next_service_++;
    const auto size = static_cast<std::uint32_t>(backends.size()) * SLOTS_PER_BACKEND;
    const auto family = static_cast<address_family>(frontends.front().address.version);
    const std::vector<service_counters> zeros(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    service entry{.service_namespace = "default",
                  .name = "orders-service",
                  .family = family,
                  .protocol = frontends.front().protocol,
                  .type = SERVICE_LOAD_BALANCER,
                  .treatment = SERVED,
                  .port = 80,
                  .external_policy = POLICY_CLUSTER,
                  .slice = SERVICE_SLICE(next_slot_, size)};

    for (std::uint32_t i = 0; i < backends.size(); i++) {
        backend value{.family = family,
                      .protocol = entry.protocol,
                      .port = backends[i].port,
                      .service = id,
                      .placement = backends[i].local ? BACKEND_LOCAL : BACKEND_REMOTE,
                      .state = BACKEND_READY,
                      .slots = SLOTS_PER_BACKEND};
        copy_address(value.address, backends[i].address);
        put(skeleton_->maps.backends, next_backend_ + i, value);
    }
    for (std::uint32_t i = 0; i < size; i++) {
        put_slot(next_slot_ + i, next_backend_ + i % static_cast<std::uint32_t>(backends.size()));
    }
    slices_[id] = {next_slot_, size};
    next_slot_ += size;
    next_backend_ += static_cast<std::uint32_t>(backends.size());
    if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.service_counters), &id, zeros.data(), BPF_ANY)) {
        give_up("service_counters");
    }
    put(skeleton_->maps.services, id, entry);
    for (const Frontend& frontend : frontends) {
        frontend_key key{.family = family, .protocol = frontend.protocol, .port = frontend.port};
        copy_address(key.address, frontend.address);
        put(skeleton_->maps.frontends, key, ::frontend{.service = id, .kind = FRONTEND_LOAD_BALANCER});
    }
    return id;
}

void Datapath::point_slots_at(std::uint32_t service, std::uint32_t backend) {
    const auto [offset, size] = slices_.at(service);
    for (std::uint32_t i = 0; i < size; i++) {
        put_slot(offset + i, backend);
    }
}

void Datapath::put_slot(std::uint32_t slot, std::uint32_t backend) {
    const std::uint32_t index = slot / 2;
    slot_pair pair{};
    bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.slots), &index, &pair);
    pair.backend[slot % 2] = backend;
    put(skeleton_->maps.slots, index, pair);
}

void Datapath::put_device(const Device& device, device_transmit transmit, bool has_address) {
    ::device entry{.mtu = device.mtu, .xdp = XDP_NATIVE, .tc = TC_CLSACT, .transmit = transmit};
    std::strncpy(entry.name, device.name.c_str(), sizeof(entry.name) - 1);
    if (has_address) {
        std::copy_n(device.owner.ipv4.octets.begin(), 4, entry.ipv4);
        copy_address(entry.ipv6, device.owner.ipv6);
    }
    put(skeleton_->maps.devices, device.ifindex, entry);
}

void Datapath::remove_device(unsigned ifindex) {
    bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.devices), &ifindex);
}

void Datapath::raise_route_epoch() {
    put(skeleton_->maps.control, __u32{0},
        control{.abi = SHUNT_ABI, .route_epoch = route_epoch() + 1, .heartbeat = tick_now(), .drain = DRAIN_NONE});
}

void Datapath::drain() {
    put(skeleton_->maps.control, __u32{0},
        control{.abi = SHUNT_ABI, .route_epoch = route_epoch(), .heartbeat = tick_now(), .drain = DRAIN_NEW_FLOWS});
}

void Datapath::set_heartbeat_age(std::uint32_t ticks) {
    put(skeleton_->maps.control, __u32{0},
        control{.abi = SHUNT_ABI, .route_epoch = route_epoch(), .heartbeat = tick_now() - ticks, .drain = DRAIN_NONE});
}

std::uint32_t Datapath::route_epoch() const {
    const __u32 zero = 0;
    control value{};
    bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.control), &zero, &value);
    return value.route_epoch;
}

int Datapath::program_fd(Program program) const {
    switch (program) {
        case Program::XDP_INGRESS:
            return bpf_program__fd(skeleton_->progs.xdp_ingress);
        case Program::TC_INGRESS:
            return bpf_program__fd(skeleton_->progs.tc_ingress);
        case Program::TC_INGRESS_AFTER_XDP:
            return bpf_program__fd(skeleton_->progs.tc_ingress_after_xdp);
        case Program::TC_EGRESS:
            return bpf_program__fd(skeleton_->progs.tc_egress);
    }
    std::abort();
}

int Datapath::map_fd(const char* name) const {
    const bpf_map* map = bpf_object__find_map_by_name(skeleton_->obj, name);
    if (!map) {
        give_up(name);
    }
    return bpf_map__fd(map);
}

Datapath::Raw Datapath::run_raw(Program program, const Device& device, std::span<const std::uint8_t> frame,
                                std::span<std::uint8_t> out, RunOptions options) {
    const bool is_xdp = program == Program::XDP_INGRESS;
    const int fd = program_fd(program);
    const auto size = static_cast<__u32>(frame.size());
    xdp_md xdp{.data_end = options.first_buffer ? options.first_buffer : size, .ingress_ifindex = device.ifindex};
    __sk_buff skb{};
    skb.ifindex = device.ifindex;
    skb.gso_size = options.segment_size;
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(), .data_out = out.data(), .data_size_in = size,
                .data_size_out = static_cast<__u32>(out.size()));
    if (is_xdp) {
        run.ctx_in = run.ctx_out = &xdp;
        run.ctx_size_in = run.ctx_size_out = sizeof(xdp);
    } else {
        run.ctx_in = run.ctx_out = &skb;
        run.ctx_size_in = run.ctx_size_out = sizeof(skb);
        if (options.checksum_complete && kernel_checks_checksum_complete(fd)) {
            run.flags = BPF_F_TEST_SKB_CHECKSUM_COMPLETE;
        }
    }
    if (bpf_prog_test_run_opts(fd, &run)) {
        return {Verdict::REFUSED, {}, {}};
    }
    const std::span<const std::uint8_t> all = out.first(run.data_size_out);
    const std::size_t metadata_size = is_xdp ? xdp.data : 0;
    return {verdict_of(program, run.retval), all.subspan(metadata_size), all.first(metadata_size)};
}

Outcome Datapath::run(Program program, const Device& device, std::span<const std::uint8_t> frame, RunOptions options) {
    static std::vector<std::uint8_t> out(65536);
    const Events before = events();
    const Raw raw = run_raw(program, device, frame, out, options);
    Outcome outcome{.verdict = raw.verdict,
                    .frame = packet::Bytes(raw.frame.begin(), raw.frame.end()),
                    .metadata = packet::Bytes(raw.metadata.begin(), raw.metadata.end()),
                    .events = events() - before};
    return outcome;
}

std::vector<Flow> Datapath::flows() const {
    std::vector<Flow> flows;
    const auto take = [&](int version, const auto& slot) {
        if (slot.key.protocol) {
            flows.push_back(flow_of(version, slot));
            flows.back().backend = backend_of(flows.back());
        }
    };
    each_slot<flow4_block>(skeleton_->maps.flows4, [&](const flow4& slot) { take(4, slot); });
    each_slot<flow6_block>(skeleton_->maps.flows6, [&](const flow6& slot) { take(6, slot); });
    return flows;
}

// The flow names its service; its backend is where requests go, and where replies come from.
std::uint32_t Datapath::backend_of(const Flow& flow) const {
    const bool request = flow.kind == RECIPE_LOCAL_REQUEST || flow.kind == RECIPE_REMOTE_REQUEST;
    const packet::Address& address = request ? flow.daddr : flow.key.saddr;
    const std::uint16_t port = request ? flow.dport : flow.key.sport;
    __u32 id = 0;
    backend value;
    const void* previous = nullptr;
    while (!bpf_map_get_next_key(bpf_map__fd(skeleton_->maps.backends), previous, &id)) {
        if (!bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.backends), &id, &value) && value.service == flow.service &&
            value.port == port && address_of(address.version, value.address) == address) {
            return id;
        }
        previous = &id;
    }
    return 0;
}

void Datapath::put_flows_in_state(flow_state state) {
    const auto change = [state](auto& slot) { slot.recipe.state = state; };
    each_slot<flow4_block>(skeleton_->maps.flows4, change);
    each_slot<flow6_block>(skeleton_->maps.flows6, change);
}

void Datapath::age_flows(std::uint32_t ticks) {
    const auto change = [ticks](auto& slot) { slot.recipe.last_seen = static_cast<__u16>(slot.recipe.last_seen - ticks); };
    each_slot<flow4_block>(skeleton_->maps.flows4, change);
    each_slot<flow6_block>(skeleton_->maps.flows6, change);
}

void Datapath::remove_flows() {
    each_slot<flow4_block>(skeleton_->maps.flows4, [](flow4& slot) { slot = {}; });
    each_slot<flow6_block>(skeleton_->maps.flows6, [](flow6& slot) { slot = {}; });
    for (__u32 i = 0; i < 2 * FLOW_STRIPES; i++) {
        const std::array<__u32, 16> none{};  // struct flow_stripe
        put(skeleton_->maps.flow_stripes, i, none);
    }
}

void Datapath::renew_flow_tables() {
    remove_flows();
    prepare_flow_table(skeleton_->maps.flow_control, bpf_map__max_entries(skeleton_->maps.flows4));
}

flow_control Datapath::table(int version) const {
    const __u32 index = version == 6;
    flow_control control{};
    bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.flow_control), &index, &control);
    return control;
}

Events Datapath::events() const {
    Events events;
    const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
    std::vector<__u64> values(EVENT_COUNT * cpus);  // all events of the first CPU, all of the second …
    const __u32 zero = 0;
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &zero, values.data()) != 0) {
        give_up("counters");
    }
    for (std::size_t i = 0; i < EVENT_COUNT * cpus; i++) {
        if (values[i]) {
            events.counts[static_cast<event>(i % EVENT_COUNT)] += values[i];
        }
    }
    return events;
}

ServiceCount Datapath::service_count(std::uint32_t service) const {
    std::vector<service_counters> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    ServiceCount count;
    bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.service_counters), &service, per_cpu.data());
    for (const auto& one : per_cpu) {
        count.flows_opened += one.flows_opened;
        count.drops += one.drops;
    }
    return count;
}

std::uint32_t tick_now() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint32_t>(
        (static_cast<std::uint64_t>(now.tv_sec) * 1000000000u + static_cast<std::uint64_t>(now.tv_nsec)) >> TICK_SHIFT);
}

}  // namespace shunt::test
