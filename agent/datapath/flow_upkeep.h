// SPDX-License-Identifier: Apache-2.0
// bpf/upkeep.bpf.c: the timer that removes idle flows and lets the tables grow. It goes on without the agent, as long
// as `flow_timer` is pinned.
#pragma once

#include "agent/datapath/pin_directory.h"
#include "agent/support/result.h"

namespace shunt {

// Loads the programs over the pinned maps, pins `flow_timer`, and puts this build's function into the timer in the place of
// an earlier one's.
Status start_flow_upkeep(const PinDirectory& pins);

}  // namespace shunt
