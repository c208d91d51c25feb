// SPDX-License-Identifier: Apache-2.0
// The frames that `shunt bench` judges by, in the eyes of the packet tests; the order of visits.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <set>

#include "agent/bench/path.h"
#include "agent/bench/visits.h"
#include "test/packet/frame.h"

namespace shunt::bench {
namespace {

constexpr Flow kFlow{.number = 12345, .backend = 200, .snat_port = 11111};

void expect_sound(const Segment& segment) {
    const Bytes bytes = segment.frame();
    const packet::View view(bytes);
    EXPECT_TRUE(view.is_whole);
    EXPECT_EQ(view.saddr.to_string(), segment.tuple.source.to_string());
    EXPECT_EQ(view.daddr.to_string(), segment.tuple.destination.to_string());
    EXPECT_EQ(view.sport, segment.tuple.source_port);
    EXPECT_EQ(view.dport, segment.tuple.destination_port);
    EXPECT_EQ(view.tcp_flags, segment.flags);
    EXPECT_EQ(view.ttl, segment.ttl);
    EXPECT_EQ(view.dmac.octets, segment.destination);
    EXPECT_EQ(view.smac.octets, segment.source);
    EXPECT_EQ(view.ip_checksum, segment.tuple.source.family == IPV4 ? packet::Checksum::RIGHT : packet::Checksum::NONE);
    EXPECT_EQ(view.l4_checksum, packet::Checksum::RIGHT);
    EXPECT_EQ(tuple_of(segment.tuple.source.family, bytes), segment.tuple);
}

TEST(BenchFrame, EachPathsFramesAreSound) {
    for (const Path path : kPaths) {
        for (const address_family family : {IPV4, IPV6}) {
            SCOPED_TRACE(std::string(name(path)) + (family == IPV4 ? " IPv4" : " IPv6"));
            expect_sound(incoming(path, family, kFlow));
            expect_sound(outgoing(path, family, kFlow));
        }
    }
}

// What the wrapper does with a visit, done in user space (but for the checksums: those of the whole frame).
TEST(BenchFrame, AVisitMakesTheFrame) {
    for (const Path path : kPaths) {
        for (const address_family family : {IPV4, IPV6}) {
            SCOPED_TRACE(std::string(name(path)) + (family == IPV4 ? " IPv4" : " IPv6"));
            const Segment segment = incoming(path, family, kFlow);
            Bytes frame = frame_without_visit(path, family, segment.flags);
            const Variation varied = variation(path, family);
            const bench_visit one = visit(path, family, kFlow);
            std::memcpy(frame.data() + varied.word_offset, &one.word, sizeof(one.word));
            std::memcpy(frame.data() + varied.port_offset, &one.port, sizeof(one.port));
            EXPECT_EQ(tuple_of(family, frame), segment.tuple);
        }
    }
}

TEST(BenchFrame, ClientsAreDifferent) {
    std::set<std::pair<std::uint32_t, std::uint16_t>> seen;
    for (std::uint32_t number = 0; number < 100000; number++) {
        const bench_visit one = visit(Path::pass, IPV4, {.number = number});
        seen.insert({one.word, one.port});
    }
    EXPECT_EQ(seen.size(), 100000U);
}

std::vector<Flow> numbered(std::uint32_t number) {
    std::vector<Flow> flows(number);
    for (std::uint32_t i = 0; i < number; i++) {
        flows[i].number = i;
    }
    return flows;
}

TEST(BenchVisits, UniformVisitsAllFlowsInAnotherOrder) {
    for (const std::uint32_t number : {1U, 3U, 1000U, 1024U}) {
        const std::vector<Flow> order = visiting_order(numbered(number), Visits::uniform);
        EXPECT_EQ(order.size(), std::bit_ceil(number));
        std::set<std::uint32_t> seen;
        std::uint32_t in_order = 0;
        for (std::uint32_t i = 0; i < number; i++) {
            seen.insert(order[i].number);
            in_order += i > 0 && order[i].number == order[i - 1].number + 1;
        }
        EXPECT_EQ(seen.size(), number);
        EXPECT_LE(in_order, number / 100 + 2);
    }
}

// The sum of n^-1.1 for n up to 1000 is 5.573, so the first has 18 % of the visits and the second 8.4 %.
TEST(BenchVisits, ZipfFavoursFewFlows) {
    std::map<std::uint32_t, std::size_t> visits;
    const std::vector<Flow> order = visiting_order(numbered(1000), Visits::zipf);
    for (const Flow& flow : order) {
        visits[flow.number]++;
    }
    std::vector<double> shares;
    for (const auto& [number, count] : visits) {
        shares.push_back(static_cast<double>(count) / static_cast<double>(order.size()));
    }
    std::ranges::sort(shares, std::greater());
    EXPECT_TRUE(std::has_single_bit(order.size()));
    EXPECT_EQ(shares.size(), 1000U);
    EXPECT_NEAR(shares[0], 0.179, 0.005);
    EXPECT_NEAR(shares[1], 0.084, 0.005);
}

}  // namespace
}  // namespace shunt::bench
