// SPDX-License-Identifier: Apache-2.0
// A SYN flood from sources that never come again, beside established flows, into a small table.
#pragma once

#include "agent/bench/contestant.h"
#include "agent/bench/scratch_network.h"

namespace shunt::bench {

struct Flood {
    std::uint32_t syns = 1000000;
    std::uint32_t established = 3000;  // each sends a packet every `slice` SYNs
    std::uint32_t max_flows = 8192;    // room in the table
    std::uint32_t slice = 100000;
    std::uint32_t honest = 1000;  // connections right after the flood: SYN, SYN-ACK, ACK
};

struct FloodOutcome {
    double ns_per_syn = 0;  // wrapper included
    std::uint64_t syns_refused = 0;
    std::uint64_t established_lost = 0;
    std::uint64_t honest_refused = 0;
};

Result<FloodOutcome> flood(const Contestant& contestant, const ScratchNetwork& network, const Flood& flood);

}  // namespace shunt::bench
