// SPDX-License-Identifier: Apache-2.0
// What is attached where. The `devices` map says what the agent attached; whether it is still there is asked of the
// kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/report/pinned_maps.h"

namespace shunt {

struct DeviceRow {
    std::uint32_t ifindex;
    std::string name;
    std::string xdp;  // "native,frags", "chain", "-" or "gone"
    std::string tc;   // "in,out", "in", "out" or "gone"
    std::string tc_kind;  // "tcx" or "clsact"
    std::uint32_t mtu;
    std::string note;                   // the agent's own words
    std::vector<std::string> problems;  // each with a next step
};

Result<std::vector<DeviceRow>> read_devices(const PinnedMaps& maps);

}  // namespace shunt
