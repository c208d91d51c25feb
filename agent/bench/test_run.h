// SPDX-License-Identifier: Apache-2.0
// The kernel's test run of one program on one frame.
#pragma once

#include "agent/bench/frame.h"
#include "agent/support/result.h"

namespace shunt::bench {

enum class Hook { xdp, tc };

struct RunOutcome {
    std::uint32_t action = 0;  // XDP_* or TC_ACT_*, of the last repetition
    Bytes frame;               // after the last repetition
    double ns = 0;             // of this thread's CPU time, for each repetition
};

// Runs the program `repeat` times on one buffer, as if it came in by `ifindex` (a device of this network namespace).
Result<RunOutcome> test_run(int program, Hook hook, unsigned ifindex, const Bytes& frame, std::uint32_t repeat = 1);

std::string action_name(Hook hook, std::uint32_t action);  // "XDP_TX", "TC_ACT_UNSPEC"

}  // namespace shunt::bench
