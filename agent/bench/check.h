// SPDX-License-Identifier: Apache-2.0
// Did the packets take the path that is being measured? The reasons are for people: what was seen in place of what.
#pragma once

#include <optional>

#include "agent/bench/datapath.h"

namespace shunt::bench {

using Complaint = std::optional<std::string>;

// One packet's outcome: action and whole frame.
Complaint check_outcome(Path path, Hook hook, address_family family, const Flow& flow, const RunOutcome& outcome);

// Exactly these events, `times` each, and no other.
Complaint check_events(const std::vector<event>& expected, std::uint64_t times, const Events& counted);

// `times` first packets of flows. One in a thousand may be refused: a table whose places are given by a hash has
// neighbourhoods that are full. How many were refused goes to `refused`.
Complaint check_openings(Path path, std::uint64_t times, const Events& counted, std::uint64_t& refused);

// The flow with the backend and SNAT port that a request sent to another node shows.
Flow with_translation(address_family family, Flow flow, const Bytes& sent);

}  // namespace shunt::bench
