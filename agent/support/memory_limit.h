// SPDX-License-Identifier: Apache-2.0
// How much memory this process may use, and what follows for the size of the flow tables.
#pragma once

#include <cstdint>
#include <string>

namespace shunt {

struct MemoryLimit {
    std::uint64_t bytes = 0;
    std::string from;  // "machine" or "cgroup"
};

// The smaller of the machine's memory and the cgroup's limit (v2 or v1). Map memory is charged to the cgroup.
MemoryLimit memory_limit();

// Flows per family: a 256th of the memory for both families' tables, as a power of two from 16,384 to 1,048,576.
std::uint32_t default_max_flows(std::uint64_t memory_bytes);

}  // namespace shunt
