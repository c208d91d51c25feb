// SPDX-License-Identifier: Apache-2.0
// Carries out a plan, in order. Runs of one kind go to the kernel in batches.
#pragma once

#include <span>

#include "agent/datapath/map_state.h"
#include "agent/plan/operation.h"
#include "agent/support/result.h"

namespace shunt {

// Stops at the first failure, which names the map and the service. What was done until then stands, and is
// consistent for packets; the planner's image is ahead of the maps, so read_map_state() has to precede the next
// plan. Deleting what is not there is no failure. (To be called as shunt::apply: an argument from std
// makes std::apply a candidate.)
Status apply(const MapDescriptors& maps, std::span<const MapOperation> operations);

}  // namespace shunt
