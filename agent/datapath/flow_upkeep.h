// SPDX-License-Identifier: Apache-2.0
// bpf/upkeep.bpf.c: removes idle flows and lets the tables grow, by a timer that goes on without the agent as long as
// `flow_timer` is pinned; and removes a flow that the agent names.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/support/fd.h"
#include "agent/support/result.h"
#include "maps/flow.h"
#include "maps/flow_to_forget.h"

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

    // Removes the flow of this request entry, whatever its state, unless another one has its key by now. True: it was there.
    Result<bool> forget(const flow4& request) const;
    Result<bool> forget(const flow6& request) const;

private:
    explicit FlowUpkeep(upkeep_bpf* skeleton);
    Result<bool> forget(const flow_to_forget& flow) const;
    std::unique_ptr<upkeep_bpf, void (*)(upkeep_bpf*)> skeleton_;
};

}  // namespace shunt
