// SPDX-License-Identifier: Apache-2.0
// Flows of UDP endpoints that are gone, or serve no more: they go at once, so that the next datagram opens a flow to another
// one. Those of TCP are left to finish. To be called when the maps name the new endpoints. Costs a walk through the flow
// tables, whatever the number of Services, and a system call for each flow that goes.
#pragma once

#include <cstddef>
#include <set>

#include "agent/datapath/flow_table.h"
#include "agent/datapath/flow_upkeep.h"
#include "agent/plan/gone_endpoint.h"
#include "agent/plan/map_state.h"

namespace shunt {

class GoneFlows {
public:
    // `upkeep` must outlive it.
    static Result<GoneFlows> open(const FlowMaps& maps, const FlowUpkeep& upkeep);

    // How many went.
    Result<std::size_t> remove(const std::set<GoneEndpoint>& gone) const;

    // All but those to a serving endpoint of `state`: for the time when no agent saw endpoints go.
    Result<std::size_t> remove_all_but(const MapState& state) const;

private:
    GoneFlows(FlowTables tables, const FlowUpkeep& upkeep) : tables_(std::move(tables)), upkeep_(&upkeep) {}
    template <typename IsGone>
    Result<std::size_t> remove_if(IsGone&& is_gone) const;

    FlowTables tables_;
    const FlowUpkeep* upkeep_;
};

}  // namespace shunt
