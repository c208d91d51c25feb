// SPDX-License-Identifier: Apache-2.0
// How long to wait before the next try: twice as long after each failure, up to a limit, and each time between half of
// that and one and a half of it, so that the nodes of a cluster do not come back in step.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace shunt {

class Backoff {
public:
    using Duration = std::chrono::milliseconds;

    Backoff(Duration first, Duration longest, unsigned seed = std::random_device()())
        : first_(first), longest_(longest), random_(seed) {}

    Duration next() {
        const Duration base = next_;
        next_ = std::min(next_ * 2, longest_);
        return between(base / 2, base + base / 2);
    }
    void reset() { next_ = first_; }

    Duration between(Duration least, Duration most) {
        return Duration(std::uniform_int_distribution<Duration::rep>(least.count(), most.count())(random_));
    }

private:
    Duration first_;
    Duration longest_;
    Duration next_ = first_;
    std::mt19937 random_;
};

}  // namespace shunt
