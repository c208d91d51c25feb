// SPDX-License-Identifier: Apache-2.0
// When an endpoint changed in the cluster, as the EndpointSlice controller wrote it down: what the network programming
// latency is measured from.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/model/snapshot.h"

namespace shunt {

// RFC 3339, e.g. "2026-11-23T09:41:34.5Z" or "…+01:00". nullopt: it is something else.
std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text);

class TriggerTimes {
public:
    // Changes from before `start` are not measured: nobody could have been in time for them.
    explicit TriggerTimes(std::chrono::system_clock::time_point start) : start_(start) {}

    // The times of those slices of `service` that carry another one than when last asked. Remembers one for each slice
    // that there is.
    std::vector<std::chrono::system_clock::time_point> news(const Snapshot& snapshot, const ObjectName& service);

private:
    using Times = std::map<ObjectName, std::chrono::system_clock::time_point>;  // of slices
    std::chrono::system_clock::time_point start_;
    std::map<ObjectName, Times> seen_;  // by Service
};

}  // namespace shunt
