// SPDX-License-Identifier: Apache-2.0
// Flows of UDP endpoints that are gone, in tables as the agent makes them. Needs root; skipped without.
#include "agent/datapath/gone_flows.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <vector>

#include "agent/datapath/flow_pair.h"
#include "agent/datapath/programs.h"
#include "agent/support/clock.h"
#include "maps/control.h"
#include "maps/event.h"

namespace shunt {
namespace {

constexpr const char* kClient[] = {"198.51.100.7", "2001:db8:100::7"};
constexpr const char* kFrontend[] = {"198.18.0.21", "2001:db8::21"};
constexpr std::uint16_t kDns = 7;

template <typename Flow>
struct Table;
template <>
struct Table<flow4> {
    static constexpr int af = AF_INET;
    static constexpr address_family family = IPV4;
    static constexpr const char* name = "flows4";
    static flow_place place(const flow_control& control, const flow4_key& key) { return flow_place4(&control, &key, key.hook); }
};
template <>
struct Table<flow6> {
    static constexpr int af = AF_INET6;
    static constexpr address_family family = IPV6;
    static constexpr const char* name = "flows6";
    static flow_place place(const flow_control& control, const flow6_key& key) { return flow_place6(&control, &key, key.hook); }
};

BackendIdentity endpoint(const char* address, std::uint16_t port = 5353) { return {*IpAddress::parse(address), port}; }

template <typename Flow>
class GoneFlowsTest : public testing::Test {
protected:
    using Its = Table<Flow>;
    static constexpr bool is_ipv6 = Its::family == IPV6;
    const char* here_ = is_ipv6 ? "2001:db8:1::11" : "198.19.1.11";
    const char* there_ = is_ipv6 ? "2001:db8:1::12" : "198.19.1.12";

    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        auto pins = PinDirectory::open_and_lock("/sys/fs/bpf/shunt-test-gone-" + std::to_string(getpid()));
        ASSERT_TRUE(pins) << pins.error().message();
        pins_.emplace(std::move(*pins));
        auto programs = Programs::load(*pins_, {.max_flows = 4096});
        ASSERT_TRUE(programs) << programs.error().message();
        programs_.emplace(std::move(*programs));
        auto flows = GoneFlows::open(programs_->flow_maps(), programs_->upkeep());
        ASSERT_TRUE(flows) << flows.error().message();
        flows_.emplace(std::move(*flows));
        tables_.emplace(*FlowTables::open(programs_->flow_maps()));
    }
    void TearDown() override {
        if (pins_) {
            std::error_code ignored;
            std::filesystem::remove_all(pins_->path(), ignored);
        }
    }

    // Both entries of a flow to a local pod, where the programs would look for them.
    Flow add(l4_protocol protocol, std::uint16_t client_port, const BackendIdentity& to, std::uint16_t service = kDns) {
        Flow request{};
        request.recipe.last_seen = static_cast<std::uint16_t>(monotonic_ns() >> TICK_SHIFT);
        request.recipe.state = FLOW_ESTABLISHED;
        request.recipe.service = service;
        request.recipe.next_hop = NEXT_HOP_STACK;
        request.recipe.sport = htons(client_port);
        request.recipe.dport = htons(to.port);
        inet_pton(Its::af, kClient[is_ipv6], &request.saddr);
        std::memcpy(&request.daddr, to.address.octets.data(), sizeof(request.daddr));
        request.key.protocol = static_cast<__u8>(protocol);
        request.key.hook = FLOW_INGRESS;
        inet_pton(Its::af, kClient[is_ipv6], &request.key.saddr);
        inet_pton(Its::af, kFrontend[is_ipv6], &request.key.daddr);
        request.key.sport = htons(client_port);
        request.key.dport = htons(30053);
        Flow reply{.recipe = request.recipe};
        reply.recipe.sport = htons(30053);
        reply.recipe.dport = htons(client_port);
        std::memcpy(&reply.saddr, &request.key.daddr, sizeof(reply.saddr));
        std::memcpy(&reply.daddr, &request.key.saddr, sizeof(reply.daddr));
        reply.key = partner_key(request);
        put(request);
        put(reply);
        return request;
    }
    bool is_there(const Flow& request) const {
        const bool has_request = tables_->find(request.key).key.protocol != 0;
        EXPECT_EQ(tables_->find(partner_key(request)).key.protocol != 0, has_request) << "half a flow";
        return has_request;
    }
    std::uint64_t counted() const {
        std::vector<std::array<std::uint64_t, EVENT_COUNT>> counts(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        const std::uint32_t zero = 0;
        EXPECT_EQ(bpf_map_lookup_elem(programs_->map("counters"), &zero, counts.data()), 0);
        std::uint64_t sum = 0;
        for (const auto& one : counts) {
            sum += one[FLOW_ENDPOINT_GONE];
        }
        return sum;
    }

    std::optional<PinDirectory> pins_;
    std::optional<Programs> programs_;
    std::optional<GoneFlows> flows_;
    std::optional<FlowTables> tables_;

private:
    void put(const Flow& flow) {
        const flow_control& control = tables_->control(Its::family);
        const flow_place place = Its::place(control, flow.key);
        const std::uint32_t block = place.place & flow_shape_new(control.shape);
        const int map = programs_->map(Its::name);
        std::vector<Flow> slots(FLOW_BLOCK_SLOTS);
        ASSERT_EQ(bpf_map_lookup_elem(map, &block, slots.data()), 0);
        for (std::uint32_t step = 0; step < FLOW_GROUP_SLOTS; step++) {
            Flow& slot = slots[flow_slot(place.first, place.turn, step)];
            if (slot.key.protocol == 0) {
                slot = flow;
                ASSERT_EQ(bpf_map_update_elem(map, &block, slots.data(), BPF_ANY), 0);
                return;
            }
        }
        FAIL() << "no slot is free";
    }
};

using Families = testing::Types<flow4, flow6>;
struct FamilyNames {
    template <typename Flow>
    static std::string GetName(int) {
        return Table<Flow>::family == IPV4 ? "v4" : "v6";
    }
};
TYPED_TEST_SUITE(GoneFlowsTest, Families, FamilyNames);

TYPED_TEST(GoneFlowsTest, ThoseOfTheEndpointAndServiceGoAtOnce) {
    const auto gone = this->add(UDP, 40001, endpoint(this->here_));
    const auto other_endpoint = this->add(UDP, 40002, endpoint(this->there_));
    const auto other_port = this->add(UDP, 40003, endpoint(this->here_, 5354));
    const auto other_service = this->add(UDP, 40004, endpoint(this->here_), kDns + 1);
    const auto tcp = this->add(TCP, 40001, endpoint(this->here_));
    const auto removed = this->flows_->remove({{.service = {}, .service_id = kDns, .endpoint = endpoint(this->here_)}});
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, 1U);
    EXPECT_FALSE(this->is_there(gone));
    for (const auto& flow : {other_endpoint, other_port, other_service, tcp}) {
        EXPECT_TRUE(this->is_there(flow)) << ntohs(flow.key.sport);
    }
    EXPECT_EQ(this->counted(), 1U);
}

TYPED_TEST(GoneFlowsTest, AfterATimeWithoutAnAgentOnlyThoseToServingEndpointsStay) {
    MapState state;
    ServiceRecord& dns = state.services[{.name = {"shop", "dns"}, .port = 53, .protocol = UDP, .family = IPV4}];
    dns.id = kDns;
    dns.backends[endpoint(this->here_)].state = BACKEND_SERVING_TERMINATING;
    dns.backends[endpoint(this->there_)].state = BACKEND_TERMINATING;
    const auto serving = this->add(UDP, 40001, endpoint(this->here_));
    const auto terminating = this->add(UDP, 40002, endpoint(this->there_));
    const auto deleted_service = this->add(UDP, 40003, endpoint(this->here_), kDns + 1);
    const auto tcp = this->add(TCP, 40001, endpoint(this->there_));
    const auto removed = this->flows_->remove_all_but(state);
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, 2U);
    EXPECT_TRUE(this->is_there(serving));
    EXPECT_FALSE(this->is_there(terminating));
    EXPECT_FALSE(this->is_there(deleted_service));
    EXPECT_TRUE(this->is_there(tcp));
}

// The key is another flow's by the time it is named.
TYPED_TEST(GoneFlowsTest, AFlowToAnotherEndpointIsNotTakenForTheOneThatWasSeen) {
    auto seen = this->add(UDP, 40001, endpoint(this->there_));
    const auto now = seen;
    std::memcpy(&seen.daddr, endpoint(this->here_).address.octets.data(), sizeof(seen.daddr));
    const auto removed = this->programs_->upkeep().forget(seen);
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_FALSE(*removed);
    EXPECT_TRUE(this->is_there(now));
    EXPECT_TRUE(this->programs_->upkeep().forget(now).value());
    EXPECT_FALSE(this->programs_->upkeep().forget(now).value()) << "it is gone";
}

TYPED_TEST(GoneFlowsTest, ManyInOneGo) {
    constexpr std::uint16_t kMany = 100;  // so few that each finds a slot in its first group
    for (std::uint16_t i = 0; i < kMany; i++) {
        this->add(UDP, static_cast<std::uint16_t>(20000 + i), endpoint(this->here_));
    }
    const auto began = std::chrono::steady_clock::now();
    const auto removed = this->flows_->remove({{.service = {}, .service_id = kDns, .endpoint = endpoint(this->here_)}});
    std::cout << std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count()
              << " ms for " << kMany << " flows\n";
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, kMany);
}

}  // namespace
}  // namespace shunt
