// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <set>

namespace shunt {
namespace {

BackendIdentity pod(std::uint32_t number, std::uint16_t port = 8080) {
    return {.address = {.family = IPV4,
                        .octets = {198, 19, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}},
            .port = port};
}

std::vector<BackendIdentity> pods(std::size_t count) {
    std::vector<BackendIdentity> result;
    for (std::size_t i = 0; i < count; ++i) {
        result.push_back(pod(static_cast<std::uint32_t>(i)));
    }
    return result;
}

std::vector<BackendIdentity> owners(const std::vector<BackendIdentity>& backends) {
    std::vector<BackendIdentity> result;
    for (std::uint32_t index : maglev_table(backends)) {
        result.push_back(backends.at(index));
    }
    return result;
}

std::uint64_t digest(const std::vector<std::uint32_t>& table) {  // FNV-1a
    std::uint64_t hash = 0xcbf29ce484222325;
    for (std::uint32_t index : table) {
        hash = (hash ^ index) * 0x100000001b3;
    }
    return hash;
}

bool is_prime(std::uint32_t number) {
    for (std::uint32_t divisor = 2; divisor * divisor <= number; ++divisor) {
        if (number % divisor == 0) {
            return false;
        }
    }
    return number > 1;
}

TEST(MaglevSize, IsAPrimeThatOnlyGrows) {
    EXPECT_EQ(maglev_size(0), 0U);
    std::uint32_t last = 0;
    for (std::size_t count = 1; count < 1000; ++count) {
        const std::uint32_t size = maglev_size(count);
        EXPECT_TRUE(is_prime(size)) << size;
        EXPECT_GE(size, last);
        EXPECT_TRUE(count > 655 || size >= 99 * count) << count;
        last = size;
    }
}

TEST(MaglevSize, ClassesEndWhereTheContractSays) {
    const std::pair<std::size_t, std::uint32_t> ends[] = {{2, 251},   {5, 509},   {10, 1021},   {20, 2039},
                                                          {40, 4093}, {81, 8191}, {163, 16381}, {327, 32749}};
    for (auto [count, size] : ends) {
        EXPECT_EQ(maglev_size(count), size);
        EXPECT_GT(maglev_size(count + 1), size);
    }
    EXPECT_EQ(maglev_size(328), 65521U);
    EXPECT_EQ(maglev_size(100000), 65521U);
}

TEST(MaglevTable, IsEmptyForNone) {
    EXPECT_TRUE(maglev_table({}).empty());
}

TEST(MaglevTable, OneBackendHasAllSlots) {
    EXPECT_EQ(maglev_table(pods(1)), std::vector<std::uint32_t>(251, 0));
}

// Turns are taken in rounds, so nobody is more than one slot ahead.
TEST(MaglevTable, IsBalanced) {
    for (std::size_t count : {2, 3, 5, 10, 20, 40, 81, 163, 327, 655}) {
        std::vector<std::uint32_t> share(count);
        for (std::uint32_t index : maglev_table(pods(count))) {
            ++share.at(index);
        }
        EXPECT_LE(std::ranges::max(share) - std::ranges::min(share), 1U) << count;
    }
}

TEST(MaglevTable, OrderOfBackendsDoesNotMatter) {
    std::vector<BackendIdentity> backends = pods(17);
    const std::vector<BackendIdentity> expected = owners(backends);
    std::mt19937 random(17);
    for (int i = 0; i < 20; ++i) {
        std::ranges::shuffle(backends, random);
        EXPECT_EQ(owners(backends), expected);
    }
}

TEST(MaglevTable, PortAndFamilyAreOfTheIdentity) {
    std::vector<BackendIdentity> others = pods(5);
    for (BackendIdentity& other : others) {
        other.port = 8081;
    }
    EXPECT_NE(maglev_table(pods(5)), maglev_table(others));
    others = pods(5);
    for (BackendIdentity& other : others) {
        other.address.family = IPV6;
    }
    EXPECT_NE(maglev_table(pods(5)), maglev_table(others));
}

// These values stand for every node that already runs: when they change, a rolling update of the agent sends one
// client to two backends.
TEST(MaglevTable, GoldenValues) {
    EXPECT_EQ(digest(maglev_table(pods(2))), 0xa4bc25d2f43352acU);
    EXPECT_EQ(digest(maglev_table(pods(7))), 0x6ec72d68a1df9a35U);
    EXPECT_EQ(digest(maglev_table(pods(100))), 0xd1056fe1376b3e11U);
    const std::vector<std::uint32_t> three = maglev_table(pods(3));
    EXPECT_EQ(std::vector<std::uint32_t>(three.begin(), three.begin() + 12),
              (std::vector<std::uint32_t>{0, 1, 1, 1, 1, 1, 2, 1, 0, 2, 1, 1}));
}

// The share of slots that got another backend although theirs is still there.
double disruption(const std::vector<BackendIdentity>& before, const std::vector<BackendIdentity>& after) {
    const std::vector<BackendIdentity> old_owners = owners(before);
    const std::vector<BackendIdentity> new_owners = owners(after);
    const std::set<BackendIdentity> stayed(after.begin(), after.end());
    std::size_t moved = 0;
    for (std::size_t slot = 0; slot < old_owners.size(); ++slot) {
        moved += stayed.contains(old_owners[slot]) && old_owners[slot] != new_owners.at(slot) ? 1 : 0;
    }
    return static_cast<double>(moved) / static_cast<double>(old_owners.size());
}

class MaglevDisruption : public testing::TestWithParam<std::size_t> {};

TEST_P(MaglevDisruption, RemovingOneMovesFewOthers) {
    const std::vector<BackendIdentity> all = pods(GetParam());
    double worst = 0;
    double sum = 0;
    const std::size_t tries = std::min<std::size_t>(all.size(), 10);
    for (std::size_t gone = 0; gone < tries; ++gone) {
        std::vector<BackendIdentity> fewer = all;
        fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(gone * all.size() / tries));
        const double moved = disruption(all, fewer);
        worst = std::max(worst, moved);
        sum += moved;
    }
    std::cout << all.size() << " backends, one removed: " << 100 * sum / static_cast<double>(tries)
              << " % of slots moved needlessly, at worst " << 100 * worst << " %\n";
    EXPECT_LT(worst, 0.10);
}

TEST_P(MaglevDisruption, AddingOneMovesFewOthers) {
    std::vector<BackendIdentity> fewer = pods(GetParam() - 1);
    std::vector<BackendIdentity> all = fewer;
    all.push_back(pod(60000));
    // Its fair share has to move; what moves beyond that is needless.
    const double moved = disruption(fewer, all) - 1.0 / static_cast<double>(all.size());
    std::cout << all.size() << " backends, one of them new: " << 100 * moved << " % of slots moved needlessly\n";
    EXPECT_LT(moved, 0.10);
}

// Each within one size class, on both sides of the change.
INSTANTIATE_TEST_SUITE_P(Counts, MaglevDisruption, testing::Values(2, 5, 10, 20, 40, 80, 160, 320, 640));

}  // namespace
}  // namespace shunt
