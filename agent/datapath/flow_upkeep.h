// SPDX-License-Identifier: Apache-2.0
// bpf/upkeep.bpf.c: removes idle flows and lets the tables grow, by a timer that goes on without the agent as long as
// `flow_timer` is pinned.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/support/fd.h"
#include "agent/support/result.h"

struct upkeep_bpf;

namespace shunt {

class FlowUpkeep {
public:
    // The descriptor of a map of the programs under upkeep, by name: flows4, flows6, flow_stripes, flow_control, flow_timer,
    // counters.
    using MapOf = std::function<int(const std::string& name)>;

    static Result<FlowUpkeep> load(const MapOf& map_of);

    // Puts this build's function into the timer, in the place of an earlier one's.
    Status start() const;

    // What the timer does, at once and again until no table grows any more.
    Status settle() const;

private:
    explicit FlowUpkeep(upkeep_bpf* skeleton);
    std::unique_ptr<upkeep_bpf, void (*)(upkeep_bpf*)> skeleton_;
};

}  // namespace shunt
