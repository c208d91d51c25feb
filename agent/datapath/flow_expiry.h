// SPDX-License-Identifier: Apache-2.0
// Removes flows that were idle for too long (maps/flow.h has the times). Both entries of a flow go together: a
// flow is idle when both of its directions are.
#pragma once

#include <cstdint>

#include "agent/support/result.h"

namespace shunt {

struct ExpiryResult {
    std::uint64_t entries_seen = 0;
    std::uint64_t flows_removed = 0;
};

// One walk over a flow map in batches. `now` is a tick (maps/control.h).
Result<ExpiryResult> expire_flows4(int map, std::uint32_t now);
Result<ExpiryResult> expire_flows6(int map, std::uint32_t now);

// What a flow of this protocol and state may be idle, in ticks.
std::uint32_t flow_idle_limit(std::uint8_t protocol, std::uint8_t state);

}  // namespace shunt
