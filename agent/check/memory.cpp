// SPDX-License-Identifier: Apache-2.0
// Room for the maps: the kernel charges them to the cgroup of the agent that makes them.
#include "agent/check/check.h"
#include "agent/datapath/flow_table.h"
#include "maps/slot.h"

namespace shunt {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::string mebibytes(std::uint64_t bytes) { return std::to_string((bytes + kMiB - 1) / kMiB) + " MiB"; }

}  // namespace

Findings check_memory(const MemoryLimit& limit, std::uint32_t max_flows) {
    const std::uint64_t blocks = flow_blocks(max_flows);
    const std::uint64_t needed =
        blocks * (sizeof(flow4_block) + sizeof(flow6_block)) + std::uint64_t{SLOTS_MAX} * sizeof(std::uint32_t);
    const std::string text = "the maps for " + std::to_string(max_flows) + " flows of each family take " + mebibytes(needed) +
                             " of " + mebibytes(limit.bytes) + " (" + limit.from + ")";
    const std::string fix = "raise the memory limit, or lower --max-flows";
    if (needed > limit.bytes) {
        return {{Level::failure, "memory", text, fix}};
    }
    if (needed > limit.bytes / 2) {
        return {{Level::warning, "memory", text + ": more than half", fix}};
    }
    return {{Level::ok, "memory", text, ""}};
}

}  // namespace shunt
