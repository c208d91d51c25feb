// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/service_sync.h"

#include <utility>

#include "agent/datapath/apply.h"
#include "agent/support/log.h"

namespace shunt {

Result<ServiceSync> ServiceSync::start(const MapDescriptors& maps) {
    auto state = read_map_state(maps);
    if (!state) {
        return std::unexpected(state.error());
    }
    return ServiceSync(maps, std::move(*state));
}

Result<SyncResult> ServiceSync::sync(const Snapshot& snapshot, const Change& change, const PlanOptions& options) {
    if (failed_) {
        auto state = read_map_state(maps_);
        if (!state) {
            return std::unexpected(state.error());
        }
        state_ = std::move(*state);  // without a basis: the next plan covers all services
    }
    const Plan made = plan(snapshot, change, options, state_);
    for (const std::string& warning : made.warnings) {
        log::warn("{}", warning);
    }
    const Status applied = shunt::apply(maps_, made.operations);
    failed_ = !applied;
    if (!applied) {
        return std::unexpected(applied.error());
    }
    return SyncResult{made.operations.size(), made.waiting_for};
}

}  // namespace shunt
