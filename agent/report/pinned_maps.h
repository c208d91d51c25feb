// SPDX-License-Identifier: Apache-2.0
// The pinned maps, for reading. Needs no living agent: the maps are all there is.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/datapath/flow_pair.h"
#include "agent/datapath/flow_table.h"
#include "agent/model/ip_prefix.h"
#include "agent/report/walk_map.h"
#include "agent/support/fd.h"
#include "agent/support/result.h"
#include "maps/agent_state.h"
#include "maps/backend.h"
#include "maps/device.h"
#include "maps/event.h"
#include "maps/flow.h"
#include "maps/frontend.h"
#include "maps/service.h"
#include "maps/source_range.h"

namespace shunt {

inline constexpr const char* kDefaultPinDir = "/sys/fs/bpf/shunt";

// Every map that is pinned, by the name of its pin.
inline constexpr std::array kPinnedMapNames = {"frontends", "services", "slots",    "backends", "flows4", "flows6", "flow_control",
                                               "source_ranges", "affinity", "unanswered", "devices", "counters", "service_counters", "control", "agent_state"};

class PinnedMaps {
public:
    // Errors say what to do: nothing pinned there, no permission, or maps of another ABI.
    static Result<PinnedMaps> open(const std::string& pin_dir);

    const std::string& pin_dir() const { return pin_dir_; }

    Result<agent_state> agent() const;
    Result<std::map<std::uint32_t, service>> services() const;
    Result<std::vector<std::pair<frontend_key, frontend>>> frontends() const;
    Result<std::map<std::uint32_t, backend>> backends() const;
    // Of each service that has some, CLUSTER_RANGES among them.
    Result<std::map<std::uint32_t, std::vector<IpPrefix>>> source_ranges() const;
    Result<std::map<std::uint32_t, device>> devices() const;
    Result<std::array<std::uint64_t, EVENT_COUNT>> events() const;  // summed over CPUs
    Result<std::map<std::uint32_t, service_counters>> service_counts() const;

    // How many flows of each family have room.
    Result<std::uint32_t> max_flows() const;

    Result<FlowTables> flows() const;

    Result<Mapping> slots() const;

    int fd(const std::string& name) const { return maps_.at(name).get(); }

private:
    explicit PinnedMaps(std::string pin_dir) : pin_dir_(std::move(pin_dir)) {}
    std::string pin_dir_;
    std::map<std::string, Fd> maps_;
};

}  // namespace shunt
