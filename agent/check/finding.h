// SPDX-License-Identifier: Apache-2.0
// What a check found: one fact about the machine, judged, and what to do about it.
#pragma once

#include <string>
#include <vector>

namespace shunt {

enum class Level {
    ok,
    note,     // as it may be; good to know
    warning,  // shunt works, and something is lost or may go wrong
    failure,  // shunt, or a part of the traffic, does not work
};

struct Finding {
    Level level;
    std::string subject;  // "kernel", or a device's name
    std::string text;
    std::string fix;      // empty for ok
};

using Findings = std::vector<Finding>;

}  // namespace shunt
