// SPDX-License-Identifier: Apache-2.0
// Makes the maps say what the source says: plans each change and carries it out, then removes the flows whose endpoints are
// gone. Remembers what could not be carried out, and tries again.
#pragma once

#include <set>
#include <string>

#include "agent/datapath/gone_flows.h"
#include "agent/datapath/map_state.h"
#include "agent/model/snapshot.h"
#include "agent/plan/planner.h"
#include "agent/support/result.h"

namespace shunt {

struct SyncResult {
    std::size_t operations = 0;
    std::string waiting_for;  // not empty: nothing was done for want of this
};

class ServiceSync {
public:
    // Reads the maps: what an earlier agent left is the beginning.
    static Result<ServiceSync> start(const MapDescriptors& maps, GoneFlows flows);

    // `options.now_ns` must be set. After an error the change is remembered, and the next call plans everything anew
    // from what the maps then say.
    Result<SyncResult> sync(const Snapshot& snapshot, const Change& change, const PlanOptions& options);

    // A sync is due though nothing changed: something failed, or there may be room now where there was none.
    bool is_due(std::uint64_t now_ns) const { return failed_ || !gone_.empty() || state_.is_retry_due(now_ns); }

    // What stands in the maps.
    const MapState& state() const { return state_; }

private:
    ServiceSync(const MapDescriptors& maps, MapState state, GoneFlows flows)
        : maps_(maps), state_(std::move(state)), flows_(std::move(flows)) {}
    void remove_gone_flows(bool knows_everything);
    bool serves_again(const GoneEndpoint& gone) const;

    MapDescriptors maps_;
    MapState state_;
    GoneFlows flows_;
    std::set<GoneEndpoint> gone_;  // whose flows are still there
    bool swept_ = false;           // the flows of the time before this agent were looked at
    bool failed_ = false;
};

}  // namespace shunt
