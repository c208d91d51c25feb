// SPDX-License-Identifier: Apache-2.0
#include "pinned_node.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "agent/model/ip_address.h"
#include "agent/report/status_view.h"
#include "maps/backend.h"
#include "maps/device.h"
#include "maps/event.h"
#include "agent/datapath/flow_table.h"
#include "agent/support/clock.h"
#include "maps/flow.h"
#include "maps/flow_place.h"
#include "maps/frontend.h"
#include "maps/affinity.h"
#include "maps/service.h"
#include "maps/slot.h"
#include "maps/source_range.h"
#include "maps/unanswered.h"

namespace shunt {
namespace {

template <std::size_t size>
void set(char (&to)[size], const char* text) {
    std::strncpy(to, text, size - 1);
}

template <typename Record>
void set_address(Record& record, const char* text) {
    const IpAddress address = *IpAddress::parse(text);
    record.family = address.family;
    std::memcpy(record.address, address.octets.data(), ADDRESS_SIZE);
}

service make_service(const char* name, address_family family, service_treatment treatment, std::uint32_t slots) {
    service value{};
    set(value.service_namespace, "shop");
    set(value.name, name);
    value.family = family;
    value.protocol = TCP;
    value.type = SERVICE_NODE_PORT;
    value.treatment = treatment;
    value.external_policy = POLICY_CLUSTER;
    value.port = 8080;
    value.node_port = 32001;
    value.slice = SERVICE_SLICE(0, slots);
    return value;
}

__be32 be32(const char* address) {
    __be32 value = 0;
    inet_pton(AF_INET, address, &value);
    return value;
}

recipe make_recipe(next_hop hop, flow_state state, std::uint16_t service) {
    recipe value{};
    value.last_seen = static_cast<std::uint16_t>(monotonic_ns() >> TICK_SHIFT);
    value.service = service;
    value.next_hop = hop;
    value.state = state;
    return value;
}

}  // namespace

PinnedNode::PinnedNode() : pin_dir_("/sys/fs/bpf/shunt-test-" + std::to_string(getpid())) {
    struct statfs info{};
    if (statfs("/sys/fs/bpf", &info) != 0 || static_cast<unsigned long>(info.f_type) != BPF_FS_MAGIC) {
        mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700");
    }
    std::filesystem::create_directories(pin_dir_ + "/links");
    std::filesystem::create_directories(pin_dir_ + "/programs");
    std::filesystem::create_directories(pin_dir_ + "/show");
    make_maps();
    fill();
}

PinnedNode::~PinnedNode() {
    std::error_code ignored;
    std::filesystem::remove_all(pin_dir_, ignored);
}

void PinnedNode::make_maps() {
    const struct {
        const char* name;
        bpf_map_type type;
        std::size_t key;
        std::size_t value;
        std::uint32_t entries;  // smaller than the agent's
    } maps[] = {
        {"frontends", BPF_MAP_TYPE_HASH, sizeof(frontend_key), sizeof(frontend), 64},
        {"services", BPF_MAP_TYPE_HASH, 4, sizeof(service), 4096},
        {"slots", BPF_MAP_TYPE_ARRAY, 4, sizeof(slot_pair), 32},
        {"backends", BPF_MAP_TYPE_HASH, 4, sizeof(backend), 64},
        {"flows4", BPF_MAP_TYPE_ARRAY, 4, sizeof(flow4_block), FLOW_STRIPES},
        {"flows6", BPF_MAP_TYPE_ARRAY, 4, sizeof(flow6_block), FLOW_STRIPES},
        {"flow_control", BPF_MAP_TYPE_ARRAY, 4, sizeof(flow_control), 2},
        {"devices", BPF_MAP_TYPE_HASH, 4, sizeof(device), 16},
        {"counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(event_counts), 1},
        {"service_counters", BPF_MAP_TYPE_PERCPU_HASH, 4, sizeof(service_counters), 64},
        {"control", BPF_MAP_TYPE_ARRAY, 4, sizeof(control), 1},
        {"agent_state", BPF_MAP_TYPE_ARRAY, 4, sizeof(agent_state), 1},
        {"source_ranges", BPF_MAP_TYPE_LPM_TRIE, sizeof(source_range_key), sizeof(source_range), 16},
        {"affinity", BPF_MAP_TYPE_LRU_HASH, sizeof(affinity_key), sizeof(affinity), 16},
        {"unanswered", BPF_MAP_TYPE_LRU_HASH, sizeof(unanswered_key), sizeof(unanswered), 16},
    };
    for (const auto& map : maps) {
        // As the agent's: mapped, or not preallocated.
        const bool is_mapped = map.type == BPF_MAP_TYPE_ARRAY && std::string_view(map.name) != "agent_state";
        LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = is_mapped                            ? __u32{BPF_F_MMAPABLE}
                                                              : map.type == BPF_MAP_TYPE_LPM_TRIE ? __u32{BPF_F_NO_PREALLOC}
                                                                                                   : 0U);
        Fd fd(bpf_map_create(map.type, map.name, static_cast<__u32>(map.key), static_cast<__u32>(map.value), map.entries,
                             &options));
        ASSERT_TRUE(fd) << map.name << ": " << std::strerror(errno);
        ASSERT_EQ(bpf_obj_pin(fd.get(), (pin_dir_ + '/' + map.name).c_str()), 0) << map.name;
        maps_.emplace(map.name, std::move(fd));
    }
}

void PinnedNode::put(const char* map_name, const void* key, const void* value) {
    ASSERT_EQ(bpf_map_update_elem(map(map_name), key, value, BPF_ANY), 0) << map_name << ": " << std::strerror(errno);
}

// Where the programs would look for it.
template <typename Flow>
void PinnedNode::put_flow(const char* map_name, const Flow& flow, const flow_place& place) {
    const std::uint32_t block = place.place & (FLOW_STRIPES - 1);
    std::vector<Flow> slots(FLOW_BLOCK_SLOTS);
    ASSERT_EQ(bpf_map_lookup_elem(map(map_name), &block, slots.data()), 0);
    slots[flow_slot(place.first, place.turn, 0)] = flow;
    put(map_name, &block, slots.data());
}

void PinnedNode::put_flow(const flow4& flow) {
    const flow_control control = table(IPV4);
    put_flow("flows4", flow, flow_place4(&control, &flow.key, flow.key.hook));
}

void PinnedNode::put_flow(const flow6& flow) {
    const flow_control control = table(IPV6);
    put_flow("flows6", flow, flow_place6(&control, &flow.key, flow.key.hook));
}

flow_control PinnedNode::table(address_family family) {
    const std::uint32_t index = family == IPV6;
    flow_control control{};
    EXPECT_EQ(bpf_map_lookup_elem(map("flow_control"), &index, &control), 0);
    return control;
}

void PinnedNode::put_agent(const agent_state& state) {
    const std::uint32_t zero = 0;
    put("agent_state", &zero, &state);
}

void PinnedNode::put_control(const control& value) {
    const std::uint32_t zero = 0;
    put("control", &zero, &value);
}

void PinnedNode::count_on_each_cpu(std::uint32_t event, std::uint64_t value) {
    const std::uint32_t zero = 0;
    std::vector<std::uint64_t> values(EVENT_COUNT * static_cast<std::size_t>(libbpf_num_possible_cpus()));
    ASSERT_EQ(bpf_map_lookup_elem(map("counters"), &zero, values.data()), 0);
    for (std::size_t i = event; i < values.size(); i += EVENT_COUNT) {
        values[i] = value;
    }
    put("counters", &zero, values.data());
}

void PinnedNode::add_service(std::uint32_t id, const char* name) {
    const service value = make_service(name, IPV4, LEFT_NO_EXTERNAL_FRONTEND, 0);
    put("services", &id, &value);
}

void PinnedNode::fill() {
    control control_value{};
    control_value.abi = SHUNT_ABI;
    put_control(control_value);

    const std::uint32_t ids[] = {0, 1, 2, 3};
    const service services[] = {make_service("orders", IPV4, SERVED, 10), make_service("orders", IPV6, SERVED, 10),
                                make_service("policy", IPV4, LEFT_FRONTEND_TAKEN, 0)};
    for (int i = 0; i < 3; i++) {
        put("services", &ids[i + 1], &services[i]);
        std::vector<service_counters> counts(libbpf_num_possible_cpus());
        counts[0] = {static_cast<__u64>(1000 * (i + 1)), static_cast<__u64>(i), static_cast<__u64>(i), 0};
        put("service_counters", &ids[i + 1], counts.data());
    }
    const struct {
        const char* address;
        std::uint32_t service;
        backend_placement placement;
        const char* node;
        std::uint32_t slots;
        backend_state state;
    } backends[] = {{"198.18.10.11", 1, BACKEND_LOCAL, "node-a", 6, BACKEND_READY},
                    {"198.18.20.11", 1, BACKEND_REMOTE, "node-b", 4, BACKEND_READY},
                    {"2001:db8:20::11", 2, BACKEND_REMOTE, "node-b", 10, BACKEND_READY},
                    {"198.18.20.12", 1, BACKEND_REMOTE, "node-b", 0, BACKEND_NOT_READY}};
    for (std::uint32_t id = 1; const auto& from : backends) {
        backend value{};
        set_address(value, from.address);
        value.protocol = TCP;
        value.port = 8080;
        value.service = from.service;
        value.placement = from.placement;
        value.state = from.state;
        value.slots = from.slots;
        set(value.node, from.node);
        put("backends", &id, &value);
        id++;
    }
    for (const auto& [address, service] : {std::pair{"198.18.0.21", 1U}, std::pair{"2001:db8::21", 2U}}) {
        frontend_key key{};
        set_address(key, address);
        key.protocol = TCP;
        key.port = 32001;
        const frontend value{.service = service, .kind = FRONTEND_NODE_PORT};
        put("frontends", &key, &value);
    }

    const auto prepared = prepare_flow_tables({map("flows4"), map("flows6"), map("flow_control")});
    ASSERT_TRUE(prepared) << prepared.error().message();
    flow4 to_local{.recipe = make_recipe(NEXT_HOP_STACK, FLOW_ESTABLISHED, 1),
                   .saddr = be32("198.51.100.7"),
                   .daddr = be32("198.18.10.11"),
                   .key = {be32("198.51.100.7"), be32("198.18.0.21"), htons(40001), htons(32001), TCP, FLOW_INGRESS, 0}};
    to_local.recipe.sport = htons(40001);
    to_local.recipe.dport = htons(8080);
    put_flow(to_local);
    flow4 to_remote{.recipe = make_recipe(NEXT_HOP_RESOLVED, FLOW_HALF_OPEN, 1),
                    .saddr = be32("198.18.0.21"),
                    .daddr = be32("198.18.20.11"),
                    .key = {be32("198.51.100.7"), be32("198.18.0.21"), htons(40002), htons(32001), TCP, FLOW_INGRESS, 0}};
    to_remote.recipe.sport = htons(10300);
    to_remote.recipe.dport = htons(8080);
    to_remote.recipe.last_seen -= 60;
    put_flow(to_remote);
    flow4 to_client{.recipe = make_recipe(NEXT_HOP_RESOLVED, FLOW_HALF_OPEN, 1),
                    .saddr = be32("198.18.0.21"),
                    .daddr = be32("198.51.100.7"),
                    .key = {be32("198.18.20.11"), be32("198.18.0.21"), htons(8080), htons(10300), TCP, FLOW_INGRESS_SNAT, 0}};
    to_client.recipe.sport = htons(32001);
    to_client.recipe.dport = htons(40002);
    put_flow(to_client);

    flow6 flow{.recipe = make_recipe(NEXT_HOP_RESOLVED, FLOW_ESTABLISHED, 2), .saddr = {}, .daddr = {}, .key = {}, .pad = {}};
    inet_pton(AF_INET6, "2001:db8:100::7", &flow.key.saddr);
    inet_pton(AF_INET6, "2001:db8::21", &flow.key.daddr);
    flow.key.sport = htons(40001);
    flow.key.dport = htons(32001);
    flow.key.protocol = TCP;
    inet_pton(AF_INET6, "2001:db8::21", &flow.saddr);
    inet_pton(AF_INET6, "2001:db8:20::11", &flow.daddr);
    flow.recipe.sport = htons(10301);
    flow.recipe.dport = htons(8080);
    put_flow(flow);

    agent_state state{};
    state.started_ns = monotonic_ns();
    state.heartbeat_ns = state.started_ns;
    state.pid = static_cast<__u32>(getpid());
    state.sync = AGENT_SYNCED;
    set(state.version, "0.1.0");
    set(state.node_name, "node-a");
    set(state.source, "manifests /m");
    put_agent(state);
}

}  // namespace shunt
