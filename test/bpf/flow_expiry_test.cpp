// SPDX-License-Identifier: Apache-2.0
// Expiry on real maps: which pairs go, which stay.
#include "agent/datapath/flow_expiry.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/support/fd.h"
#include "maps/flow.h"

namespace shunt {
namespace {

constexpr std::uint32_t kNow = 1000000;

class FlowExpiryTest : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "making maps needs root";
        }
        map_ = Fd(bpf_map_create(BPF_MAP_TYPE_HASH, "flows4", sizeof(flow4_key), sizeof(flow4), 65536, nullptr));
        ASSERT_TRUE(map_);
    }

    static flow4_key request_key(std::uint16_t port, std::uint8_t protocol) {
        return {.saddr = htonl(0xC6336407), .daddr = htonl(0xC6120015), .sport = htons(port), .dport = htons(32001),
                .protocol = protocol, .hook = FLOW_INGRESS, .pad = 0};
    }

    // A local flow: the reply is met at egress.
    static flow4_key reply_key(std::uint16_t port, std::uint8_t protocol) {
        return {.saddr = htonl(0xC613010B), .daddr = htonl(0xC6336407), .sport = htons(8080), .dport = htons(port),
                .protocol = protocol, .hook = FLOW_EGRESS, .pad = 0};
    }

    void put(const flow4_key& key, const flow4& flow) {
        ASSERT_EQ(bpf_map_update_elem(map_.get(), &key, &flow, BPF_NOEXIST), 0);
    }

    void put_pair(std::uint16_t port, std::uint8_t protocol, std::uint8_t state, std::uint32_t request_idle,
                  std::uint32_t reply_idle) {
        flow4 request{};
        request.recipe.last_seen = kNow - request_idle;
        request.recipe.kind = RECIPE_LOCAL_REQUEST;
        request.recipe.state = state;
        request.recipe.sport = htons(port);
        request.recipe.dport = htons(8080);
        request.saddr = request_key(port, protocol).saddr;
        request.daddr = reply_key(port, protocol).saddr;
        flow4 reply{};
        reply.recipe = request.recipe;
        reply.recipe.last_seen = kNow - reply_idle;
        reply.recipe.kind = RECIPE_LOCAL_REPLY;
        reply.recipe.sport = htons(32001);
        reply.recipe.dport = htons(port);
        reply.saddr = request_key(port, protocol).daddr;
        reply.daddr = request_key(port, protocol).saddr;
        put(request_key(port, protocol), request);
        put(reply_key(port, protocol), reply);
    }

    bool has_request(std::uint16_t port, std::uint8_t protocol) { return has(request_key(port, protocol)); }
    bool has_reply(std::uint16_t port, std::uint8_t protocol) { return has(reply_key(port, protocol)); }
    bool has(const flow4_key& key) {
        flow4 value{};
        return bpf_map_lookup_elem(map_.get(), &key, &value) == 0;
    }

    ExpiryResult expire() {
        auto result = expire_flows4(map_.get(), kNow);
        EXPECT_TRUE(result) << result.error().message();
        return result.value_or(ExpiryResult{});
    }

    Fd map_;
};

TEST_F(FlowExpiryTest, AFlowGoesWhenBothDirectionsAreIdle) {
    const std::uint32_t limit = flow_idle_limit(TCP, FLOW_HALF_OPEN);
    put_pair(1, TCP, FLOW_HALF_OPEN, limit + 1, limit + 1);
    put_pair(2, TCP, FLOW_HALF_OPEN, limit, limit);
    put_pair(3, TCP, FLOW_HALF_OPEN, limit + 1, 0);
    put_pair(4, TCP, FLOW_HALF_OPEN, 0, limit + 1);
    EXPECT_EQ(expire().flows_removed, 1U);
    EXPECT_FALSE(has_request(1, TCP) || has_reply(1, TCP));
    for (std::uint16_t port : {2, 3, 4}) {
        EXPECT_TRUE(has_request(port, TCP) && has_reply(port, TCP)) << port;
    }
}

TEST_F(FlowExpiryTest, EachStateHasItsOwnTime) {
    EXPECT_GT(flow_idle_limit(TCP, FLOW_ESTABLISHED), 6000U) << "an NLB may keep a connection idle for 6000 s";
    EXPECT_GT(flow_idle_limit(UDP, FLOW_ESTABLISHED), 120U) << "and a UDP flow for 120 s";
    const std::uint32_t idle = flow_idle_limit(TCP, FLOW_CLOSING) + 1;
    put_pair(1, TCP, FLOW_ESTABLISHED, idle, idle);
    put_pair(2, TCP, FLOW_CLOSING, idle, idle);
    put_pair(3, UDP, FLOW_HALF_OPEN, idle, idle);
    put_pair(4, UDP, FLOW_ESTABLISHED, idle, idle);
    expire();
    EXPECT_TRUE(has_request(1, TCP));
    EXPECT_FALSE(has_request(2, TCP));
    EXPECT_FALSE(has_request(3, UDP));
    EXPECT_TRUE(has_request(4, UDP));
}

TEST_F(FlowExpiryTest, AnEntryWithoutItsPartnerGoesAlone) {
    put_pair(1, TCP, FLOW_CLOSING, 5000, 5000);
    put_pair(2, TCP, FLOW_CLOSING, 5000, 5000);
    const flow4_key request = request_key(1, TCP);
    const flow4_key reply = reply_key(2, TCP);
    bpf_map_delete_elem(map_.get(), &request);
    bpf_map_delete_elem(map_.get(), &reply);
    expire();
    EXPECT_FALSE(has_reply(1, TCP));
    EXPECT_FALSE(has_request(2, TCP));
}

TEST_F(FlowExpiryTest, APacketLaterThanTheWalkIsNotAnAge) {
    put_pair(1, UDP, FLOW_HALF_OPEN, 0, 0);
    auto result = expire_flows4(map_.get(), kNow - 1);
    EXPECT_EQ(result->flows_removed, 0U);
}

TEST_F(FlowExpiryTest, ManyFlowsInOneWalk) {
    for (std::uint16_t port = 1; port <= 20000; port++) {
        put_pair(port, TCP, FLOW_CLOSING, port % 2 == 0 ? 5000 : 0, port % 2 == 0 ? 5000 : 0);
    }
    std::uint64_t removed = expire().flows_removed;
    removed += expire().flows_removed;  // a walk over a changing hash may miss some; the next one has them
    EXPECT_EQ(removed, 10000U);
    for (std::uint16_t port = 1; port <= 20000; port++) {
        EXPECT_EQ(has_request(port, TCP), port % 2 == 1);
    }
}

}  // namespace
}  // namespace shunt
