// SPDX-License-Identifier: Apache-2.0
// In which order flows are visited: never that in which they were opened, or the processor's prefetcher flatters the
// result.
#pragma once

#include <span>
#include <vector>

#include "agent/bench/path.h"

namespace shunt::bench {

enum class Visits {
    uniform,  // each as often as any other
    zipf,     // the n-th most popular 1 / n^1.1 as often as the first: how traffic of many clients looks
};

// A power of two of visits. Uniform: the first `flows.size()` are all flows, once each.
std::vector<Flow> visiting_order(std::span<const Flow> flows, Visits visits);

}  // namespace shunt::bench
