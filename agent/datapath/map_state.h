// SPDX-License-Identifier: Apache-2.0
// What an earlier agent left in the maps, read in batches.
#pragma once

#include <cstdint>

#include "agent/plan/map_state.h"
#include "agent/support/result.h"
#include "maps/control.h"

namespace shunt {

// The maps that planning fills. Borrowed: whoever loaded them owns the descriptors and the mapping.
struct MapDescriptors {
    int services = -1;
    int backends = -1;
    int frontends = -1;
    int service_counters = -1;
    int source_ranges = -1;
    control* control_page = nullptr;  // the mapped `control`
    std::uint32_t* slots = nullptr;  // the mapped `slots`
    std::uint32_t slots_size = 0;
};

// `slots` of the answer is the mapping itself, not a copy.
Result<MapEntries> read_map_entries(const MapDescriptors& maps);

// With the limits that the maps were made with.
Result<MapState> read_map_state(const MapDescriptors& maps);

}  // namespace shunt
