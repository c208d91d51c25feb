// SPDX-License-Identifier: Apache-2.0
// Is a flow table as it must be while nobody changes it? Read through the mapping. The arithmetic of places is written
// here once more, from the words of maps/flow_place.h: an opinion of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "maps/flow.h"
#include "test/bpf/datapath.h"

namespace shunt::test {

struct FlowTableReport {
    std::size_t entries = 0;          // two a flow
    std::size_t faults = 0;
    std::vector<std::string> words;  // of the first few faults

    bool is_good() const { return faults == 0; }
};

std::ostream& operator<<(std::ostream& out, const FlowTableReport& report);

// No key twice. Each entry in a block and a group of its key, its partner there, the inverse of it, in the same stripe
// and state. No two flows with one SNAT tuple. Every seq even, every `away` and every stripe's `entries` exact. While the table
// grows, the old block is as good as the new one.
FlowTableReport check_flow_table(const Datapath& datapath, int version);

// What is wrong with this entry alone: hook, checksum differences; empty if nothing is. A copy may be checked while the
// table changes.
std::string fault_of_entry(const flow4& entry);
std::string fault_of_entry(const flow6& entry);

// Which lock the client of a request has: the low seven bits of its SNAT ports.
std::uint32_t stripe_of(const flow_control& control, const flow4_key& key);
std::uint32_t stripe_of(const flow_control& control, const flow6_key& key);

}  // namespace shunt::test
