// SPDX-License-Identifier: Apache-2.0
// Against real maps. Needs root; skipped without.
#include "agent/datapath/apply.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <iostream>

#include "agent/support/fd.h"
#include "plan_support.h"

namespace shunt::test {
namespace {

constexpr std::uint32_t kSlots = 1 << 20;

class ApplyTest : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        make({.services = 20000, .backends = 40000, .frontends = 40000, .slots = kSlots});
    }
    void TearDown() override { unmap(); }

    void make(const MapLimits& limits) {
        unmap();
        services_ = create(BPF_MAP_TYPE_HASH, "services", 4, sizeof(service), limits.services);
        backends_ = create(BPF_MAP_TYPE_HASH, "backends", 4, sizeof(backend), limits.backends);
        frontends_ = create(BPF_MAP_TYPE_HASH, "frontends", sizeof(frontend_key), sizeof(frontend), limits.frontends);
        counters_ = create(BPF_MAP_TYPE_PERCPU_HASH, "service_counters", 4, sizeof(service_counters), limits.services);
        slots_ = create(BPF_MAP_TYPE_ARRAY, "slots", 4, 4, limits.slots);
        ranges_ = create(BPF_MAP_TYPE_LPM_TRIE, "source_ranges", sizeof(source_range_key), sizeof(source_range),
                         limits.source_ranges);
        void* page = mmap(nullptr, std::size_t{limits.slots} * 4, PROT_READ | PROT_WRITE, MAP_SHARED, slots_.get(), 0);
        ASSERT_NE(page, MAP_FAILED);
        maps_ = {.services = services_.get(),
                 .backends = backends_.get(),
                 .frontends = frontends_.get(),
                 .service_counters = counters_.get(),
                 .source_ranges = ranges_.get(),
                 .control_page = &control_,
                 .slots = static_cast<std::uint32_t*>(page),
                 .slots_size = limits.slots};
    }

    static Fd create(bpf_map_type type, const char* name, std::uint32_t key, std::uint32_t value, std::uint32_t size) {
        LIBBPF_OPTS(bpf_map_create_opts, options);
        options.map_flags = type == BPF_MAP_TYPE_ARRAY ? BPF_F_MMAPABLE : BPF_F_NO_PREALLOC;
        Fd fd(bpf_map_create(type, name, key, value, size, &options));
        EXPECT_TRUE(fd) << name << ": " << strerror(errno);
        return fd;
    }

    void unmap() {
        if (maps_.slots != nullptr) {
            munmap(maps_.slots, std::size_t{maps_.slots_size} * 4);
            maps_.slots = nullptr;
        }
    }

    std::size_t size_of(int map) const {
        std::size_t count = 0;
        char key[sizeof(frontend_key)];
        char next[sizeof(frontend_key)];
        for (bool is_first = true; bpf_map_get_next_key(map, is_first ? nullptr : key, next) == 0; is_first = false) {
            memcpy(key, next, sizeof(key));
            ++count;
        }
        return count;
    }

    Fd services_, backends_, frontends_, counters_, slots_, ranges_;
    control control_{};
    MapDescriptors maps_;
};

// Many services, in one plan: batches, several buckets, and back through a restart.
TEST_F(ApplyTest, WhatIsAppliedIsReadBack) {
    Cluster cluster({.slots = kSlots});
    cluster.put(node("node-a", {"198.18.0.21"}));
    constexpr int kServices = 2500;
    for (int i = 0; i < kServices; ++i) {
        const std::string name = "web-" + std::to_string(i);
        Service service = node_port_service(name, static_cast<std::uint16_t>(30000 + i));
        if (i < 100) {
            service.type = ServiceType::load_balancer;
            service.ingress_ips = {ip("203.0.113." + std::to_string(i))};
            service.source_ranges = {prefix("192.0.2.0/24"), prefix("198.51.100." + std::to_string(i) + "/32")};
            service.external_traffic_policy = TrafficPolicy::local;
        }
        cluster.put(service);
        cluster.put(slice(name, name,
                          {endpoint("198.19." + std::to_string(i / 256) + '.' + std::to_string(i % 256),
                                    i % 2 == 0 ? "node-a" : "node-b"),
                           endpoint("198.19.100.1", "node-b")}));
    }
    auto started = std::chrono::steady_clock::now();
    auto lap = [&started](const char* what) {
        const auto now = std::chrono::steady_clock::now();
        std::cout << what << ": " << std::chrono::duration<double, std::milli>(now - started).count() << " ms\n";
        started = std::chrono::steady_clock::now();
    };
    cluster.options.cluster_ranges = {prefix("198.19.0.0/16"), prefix("2001:db8:1::/48")};
    const Plan first = plan(cluster.snapshot, cluster.change, cluster.options, cluster.state);
    lap("plan of 2500 services");
    auto applied = shunt::apply(maps_, first.operations);
    ASSERT_TRUE(applied) << applied.error().message();
    lap("apply");
    auto state = read_map_state(maps_);
    ASSERT_TRUE(state) << state.error().message();
    lap("read");
    EXPECT_EQ(state->limits.services, 20000U);
    EXPECT_EQ(state->limits.slots, kSlots);
    EXPECT_EQ(state->services.size(), std::size_t{kServices});
    EXPECT_EQ(state->owners.size(), std::size_t{kServices} + 100);
    EXPECT_EQ(state->vip_entries.size(), 100U);
    EXPECT_EQ(control_.vips, 100U);
    EXPECT_EQ(state->range_count, 202U);
    EXPECT_TRUE(plan(cluster.snapshot, {}, cluster.options, *state).operations.empty());
    lap("plan after a restart");
    EXPECT_EQ(size_of(maps_.service_counters), std::size_t{kServices});

    cluster.snapshot.services.clear();
    Change all;
    for (const auto& [key, record] : state->services) {
        all.services.insert(key.name);
    }
    const Plan last = plan(cluster.snapshot, all, cluster.options, *state);
    ASSERT_TRUE(shunt::apply(maps_, last.operations));
    for (int map : {maps_.services, maps_.backends, maps_.frontends, maps_.service_counters}) {
        EXPECT_EQ(size_of(map), 0U);
    }
    EXPECT_EQ(size_of(maps_.source_ranges), 2U) << "those of the cluster";
    EXPECT_EQ(control_.vips, 0U);
}

TEST_F(ApplyTest, CountersSurviveARewriteOfTheirService) {
    std::vector<service_counters> values(static_cast<std::size_t>(libbpf_num_possible_cpus()), {7, 3, 0, 0});
    std::uint32_t id = 5;
    service value{.port = 80};
    ASSERT_TRUE(shunt::apply(maps_, std::vector<MapOperation>{PutService{id, value}}));
    ASSERT_EQ(bpf_map_update_elem(maps_.service_counters, &id, values.data(), BPF_EXIST), 0) << "was made";
    ASSERT_TRUE(shunt::apply(maps_, std::vector<MapOperation>{PutService{id, value}}));
    ASSERT_EQ(bpf_map_lookup_elem(maps_.service_counters, &id, values.data()), 0);
    EXPECT_EQ(values[0].flows_opened, 7U);
    ASSERT_TRUE(shunt::apply(maps_, std::vector<MapOperation>{DeleteService{id}}));
    EXPECT_EQ(size_of(maps_.service_counters), 0U);
}

TEST_F(ApplyTest, DeletingWhatIsNotThereIsNoFailure) {
    std::vector<MapOperation> operations;
    for (std::uint32_t id : {1U, 2U, 3U, 4U, 5U}) {
        if (id % 2 == 0) {
            ASSERT_TRUE(shunt::apply(maps_, std::vector<MapOperation>{PutBackend{id, {}}}));
        }
        operations.emplace_back(DeleteBackend{id});
    }
    operations.emplace_back(DeleteService{9});
    operations.emplace_back(DeleteFrontend{frontend_at("203.0.113.1", 80)});
    auto applied = shunt::apply(maps_, operations);
    EXPECT_TRUE(applied) << applied.error().message();
    EXPECT_EQ(size_of(maps_.backends), 0U);
}

TEST_F(ApplyTest, FailuresNameTheMapAndTheService) {
    make({.services = 64, .backends = 2, .frontends = 64, .slots = 4096});
    Cluster cluster({.slots = 4096});  // does not know how small they are
    cluster.put(node("node-a", {"198.18.0.21"})).put(node_port_service("web", 30080));
    cluster.put(
        slice("web-1", "web",
              {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b"), endpoint("198.19.0.3", "node-b")}));
    const Plan first = plan(cluster.snapshot, cluster.change, cluster.options, cluster.state);
    auto applied = shunt::apply(maps_, first.operations);
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().message(), "write to map backends for shop/web:80: the map is full");

    // The next agent knows, mends what was left, and leaves the service to the stack.
    auto state = read_map_state(maps_);
    ASSERT_TRUE(state);
    const Plan second = plan(cluster.snapshot, {}, cluster.options, *state);
    ASSERT_TRUE(shunt::apply(maps_, second.operations));
    EXPECT_EQ(state->treatments[LEFT_NO_ROOM], 1U);
    EXPECT_EQ(size_of(maps_.backends), 0U);
}

TEST_F(ApplyTest, SlotsBeyondTheMapAreRefused) {
    auto applied = shunt::apply(maps_, std::vector<MapOperation>{WriteSlots{kSlots - 1, {1, 2}}});
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().object, "map slots");
}

TEST_F(ApplyTest, EmptyMapsAreAnEmptyState) {
    auto state = read_map_state(maps_);
    ASSERT_TRUE(state) << state.error().message();
    EXPECT_TRUE(state->services.empty());
    auto bad = read_map_state({.services = -1});
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().object, "map services");
}

}  // namespace
}  // namespace shunt::test
