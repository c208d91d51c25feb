// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/visits.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

namespace shunt::bench {
namespace {

constexpr double kZipfExponent = 1.1;
constexpr std::size_t kZipfVisits = std::size_t{1} << 20;

std::vector<Flow> zipf(const std::vector<Flow>& by_popularity, std::mt19937_64& random) {
    std::vector<double> cumulated(by_popularity.size());
    double sum = 0;
    for (std::size_t i = 0; i < cumulated.size(); i++) {
        cumulated[i] = sum += std::pow(static_cast<double>(i + 1), -kZipfExponent);
    }
    std::uniform_real_distribution<double> anywhere(0, sum);
    std::vector<Flow> visits(kZipfVisits);
    for (Flow& visit : visits) {
        const auto found = std::ranges::upper_bound(cumulated, anywhere(random));
        visit = by_popularity[std::min<std::size_t>(static_cast<std::size_t>(found - cumulated.begin()),
                                                    cumulated.size() - 1)];
    }
    return visits;
}

}  // namespace

std::vector<Flow> visiting_order(std::span<const Flow> flows, Visits visits) {
    std::mt19937_64 random(1);  // the same order each time: runs are compared
    std::vector<Flow> order(flows.begin(), flows.end());
    std::ranges::shuffle(order, random);
    if (visits == Visits::zipf) {
        return zipf(order, random);
    }
    const std::vector<Flow> all = order;
    while (order.size() < std::bit_ceil(all.size())) {
        order.push_back(all[order.size() - all.size()]);
    }
    return order;
}

}  // namespace shunt::bench
