// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/flow_table.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <algorithm>
#include <bit>

namespace shunt {
namespace {

constexpr std::uint32_t kSlotsPerFlow = 4;  // two entries, at half load
constexpr std::uint32_t kMaxBlocks = 1U << FLOW_PLACE_BITS;

Result<std::uint32_t> entries_of(int map, const char* name) {
    bpf_map_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(map, &info, &length) != 0) {
        return failure_errno("inspect", name);
    }
    return info.max_entries;
}

Result<Mapping> map_table(int map, const char* name, std::size_t block_size) {
    const auto blocks = entries_of(map, name);
    if (!blocks) {
        return std::unexpected(blocks.error());
    }
    return Mapping::open(map, *blocks * block_size, PROT_READ, name);
}

// `blocks`: of the map.
Status prepare(flow_control& control, std::uint32_t blocks) {
    if (control.multiplier != 0) {
        return {};
    }
    if (!std::has_single_bit(blocks) || blocks < FLOW_STRIPES) {
        return failure("prepare", "flow tables", std::to_string(blocks) + " blocks are no power of two from " +
                                                     std::to_string(FLOW_STRIPES) + " on");
    }
    std::uint64_t multiplier = 0;
    if (getrandom(control.seeds, sizeof(control.seeds), 0) != sizeof(control.seeds) ||
        getrandom(&multiplier, sizeof(multiplier), 0) != sizeof(multiplier)) {
        return failure_errno("seed", "flow tables");
    }
    constexpr std::uint64_t mask = FLOW_STRIPES - 1;
    control.shape = mask << 32 | mask;
    control.max_mask = blocks - 1;
    std::atomic_ref(control.multiplier).store(multiplier | 1, std::memory_order_release);
    return {};
}

}  // namespace

std::uint32_t flow_blocks(std::uint32_t flows) {
    const std::uint64_t slots = std::uint64_t{flows} * kSlotsPerFlow;
    const std::uint64_t blocks = std::bit_ceil(std::max<std::uint64_t>(slots / FLOW_BLOCK_SLOTS, FLOW_STRIPES));
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, kMaxBlocks));
}

std::uint32_t flows_of_blocks(std::uint32_t blocks) { return blocks * (FLOW_BLOCK_SLOTS / kSlotsPerFlow); }

Status prepare_flow_tables(const FlowMaps& maps) {
    auto mapping = Mapping::open(maps.control, 2 * sizeof(flow_control), PROT_READ | PROT_WRITE, "flow_control");
    if (!mapping) {
        return std::unexpected(mapping.error());
    }
    auto* control = static_cast<flow_control*>(mapping->data());
    const auto blocks4 = entries_of(maps.flows4, "flows4");
    const auto blocks6 = entries_of(maps.flows6, "flows6");
    if (!blocks4 || !blocks6) {
        return std::unexpected((blocks4 ? blocks6 : blocks4).error());
    }
    if (auto done = prepare(control[0], *blocks4); !done) {
        return done;
    }
    return prepare(control[1], *blocks6);
}

Result<FlowTables> FlowTables::open(const FlowMaps& maps) {
    auto flows4 = map_table(maps.flows4, "flows4", sizeof(flow4_block));
    auto flows6 = map_table(maps.flows6, "flows6", sizeof(flow6_block));
    auto control = Mapping::open(maps.control, 2 * sizeof(flow_control), PROT_READ, "flow_control");
    for (const auto* mapping : {&flows4, &flows6, &control}) {
        if (!*mapping) {
            return std::unexpected(mapping->error());
        }
    }
    FlowTables tables;
    tables.flows4_ = std::move(*flows4);
    tables.flows6_ = std::move(*flows6);
    tables.control_ = std::move(*control);
    return tables;
}

}  // namespace shunt
