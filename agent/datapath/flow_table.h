// SPDX-License-Identifier: Apache-2.0
// The flow tables seen from user space: made ready once, read as the programs read them, without a lock and without
// disturbing them.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "agent/support/mapping.h"
#include "agent/support/result.h"
#include "maps/flow.h"
#include "maps/flow_place.h"

namespace shunt {

// Descriptors, borrowed.
struct FlowMaps {
    int flows4 = -1;
    int flows6 = -1;
    int control = -1;  // `flow_control`
};

// Values of `flows4` or `flows6` that give `flows` flows room: four slots for each, a power of two, at most 2^24 slots' places.
std::uint32_t flow_blocks(std::uint32_t flows);

// The other way round.
std::uint32_t flows_of_blocks(std::uint32_t blocks);

// Seeds and the smallest shape, if the maps are new; nothing if they are in use.
Status prepare_flow_tables(const FlowMaps& maps);

// Both tables, mapped for reading.
class FlowTables {
public:
    static Result<FlowTables> open(const FlowMaps& maps);

    // Calls visit(const flow4&) and visit(const flow6&) for every entry, two a flow, each a copy that belongs together. While a
    // table grows, an entry may be seen twice.
    template <typename Visit>
    void walk(Visit&& visit) const {
        walk_table<flow4, flow4_block>(flows4_, control(IPV4), visit);
        walk_table<flow6, flow6_block>(flows6_, control(IPV6), visit);
    }

    // A copy of the entry, or nullptr's worth: protocol 0.
    flow4 find(const flow4_key& key) const { return find_in<flow4, flow4_block>(flows4_, control(IPV4), key); }
    flow6 find(const flow6_key& key) const { return find_in<flow6, flow6_block>(flows6_, control(IPV6), key); }

    const flow_control& control(address_family family) const {
        return static_cast<const flow_control*>(control_.data())[family == IPV6];
    }

private:
    static flow_place place_of(const flow_control& control, const flow4_key& key) {
        return flow_place4(&control, &key, key.hook);
    }
    static flow_place place_of(const flow_control& control, const flow6_key& key) {
        return flow_place6(&control, &key, key.hook);
    }

    static std::uint64_t shape(const flow_control& control) {
        return std::atomic_ref(const_cast<__u64&>(control.shape)).load(std::memory_order_acquire);
    }

    // False: the slot is free, or changed while it was read.
    template <typename Flow>
    static bool read(const Flow& slot, Flow& copy) {
        const std::atomic_ref seq(const_cast<__u32&>(slot.recipe.seq));
        const std::uint32_t before = seq.load(std::memory_order_acquire);
        std::memcpy(&copy, &slot, sizeof(copy));
        std::atomic_thread_fence(std::memory_order_acquire);
        return copy.key.protocol != 0 && before % 2 == 0 && seq.load(std::memory_order_relaxed) == before;
    }

    template <typename Flow, typename Block, typename Visit>
    static void walk_table(const Mapping& table, const flow_control& control, Visit& visit) {
        const auto* blocks = static_cast<const Block*>(table.data());
        Flow copy;
        for (std::uint32_t i = 0; i <= flow_shape_new(shape(control)); i++) {
            for (const Flow& slot : blocks[i].slots) {
                if (slot.key.protocol != 0 && read(slot, copy)) {
                    visit(static_cast<const Flow&>(copy));
                }
            }
        }
    }

    template <typename Flow, typename Block, typename Key>
    static Flow find_in(const Mapping& table, const flow_control& control, const Key& key) {
        const auto* blocks = static_cast<const Block*>(table.data());
        const flow_place place = place_of(control, key);
        const std::uint64_t now = shape(control);
        for (const std::uint32_t mask : {flow_shape_new(now), flow_shape_old(now)}) {
            for (std::uint32_t step = 0; step < 2 * FLOW_GROUP_SLOTS; step++) {
                const std::uint32_t group = step < FLOW_GROUP_SLOTS ? place.first : place.second;
                Flow copy;
                if (read(blocks[place.place & mask].slots[flow_slot(group, place.turn, step)], copy) &&
                    std::memcmp(&copy.key, &key, sizeof(key)) == 0) {
                    return copy;
                }
            }
        }
        return {};
    }

    Mapping flows4_, flows6_, control_;
};

}  // namespace shunt
