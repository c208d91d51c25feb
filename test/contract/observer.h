// SPDX-License-Identifier: Apache-2.0
// The real programs' side of the comparison: packets of the model as frames, and what the programs did to them in the
// model's words.
#pragma once

#include <optional>
#include <string>

#include "test/bpf/datapath.h"
#include "test/contract/model.h"

namespace shunt::contract {

// As it comes in from the router; `sequence` and `acknowledged` are TCP's.
packet::Packet frame_of(const Packet& packet, std::uint32_t sequence = 1000, std::uint32_t acknowledged = 0);

struct Observation {
    Outcome outcome = Outcome::PASSED;
    std::optional<Destination> to;   // FORWARDED
    Address source;                  // likewise: whom the endpoint sees
    std::uint16_t source_port = 0;
    std::string fault;               // what no rule allows, whatever the decision; empty: nothing
};

// `sent`: what frame_of() made.
Observation observe(test::Program program, const Packet& packet, std::span<const std::uint8_t> sent,
                    const test::Outcome& outcome);

// Empty, or why the observation is not what the model decided.
std::string difference(const World& world, const Decision& decision, const Packet& packet, const Observation& observation);

}  // namespace shunt::contract
