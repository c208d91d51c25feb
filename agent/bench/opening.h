// SPDX-License-Identifier: Apache-2.0
// Flows opened by their own packets: SYN, SYN-ACK, ACK.
#pragma once

#include "agent/bench/datapath.h"

namespace shunt::bench {

// `number` established flows. Each first packet's frame is checked; a few flows that find no place are passed over.
Result<std::vector<Flow>> open_flows(const Datapath& datapath, Placement placement, std::uint32_t number);

// Sends an ACK and a SYN-ACK of these flows and checks what becomes of them: both directions are in place.
Status check_both_directions(const Datapath& datapath, Placement placement, std::span<const Flow> flows);

}  // namespace shunt::bench
