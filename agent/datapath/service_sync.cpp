// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/service_sync.h"

#include <utility>

#include "agent/datapath/apply.h"
#include "agent/plan/endpoint_choice.h"
#include "agent/support/log.h"

namespace shunt {

Result<ServiceSync> ServiceSync::start(const MapDescriptors& maps, GoneFlows flows) {
    auto state = read_map_state(maps);
    if (!state) {
        return std::unexpected(state.error());
    }
    return ServiceSync(maps, std::move(*state), std::move(flows));
}

Result<SyncResult> ServiceSync::sync(const Snapshot& snapshot, const Change& change, const PlanOptions& options) {
    if (failed_) {
        auto state = read_map_state(maps_);
        if (!state) {
            return std::unexpected(state.error());
        }
        state_ = std::move(*state);  // without a basis: the next plan covers all services
    }
    Plan made = plan(snapshot, change, options, state_);
    gone_.merge(made.gone);
    for (const std::string& warning : made.warnings) {
        log::warn("{}", warning);
    }
    const Status applied = shunt::apply(maps_, made.operations);
    failed_ = !applied;
    if (!applied) {
        return std::unexpected(applied.error());
    }
    remove_gone_flows(options.prune && made.waiting_for.empty());
    return SyncResult{made.operations.size(), made.waiting_for};
}

// The maps come first: the next datagram finds the new endpoints.
void ServiceSync::remove_gone_flows(bool knows_everything) {
    const bool sweeps = knows_everything && !swept_;
    std::erase_if(gone_, [this](const GoneEndpoint& gone) { return serves_again(gone); });
    if (!sweeps && gone_.empty()) {
        return;
    }
    const auto removed = sweeps ? flows_.remove_all_but(state_) : flows_.remove(gone_);
    if (!removed) {
        log::error("flows of endpoints that are gone: {}", removed.error().message());
        return;
    }
    if (*removed != 0) {
        log::info("UDP flows removed, because their endpoints are gone or serve no more: {}", *removed);
    }
    gone_.clear();
    swept_ = swept_ || sweeps;
}

bool ServiceSync::serves_again(const GoneEndpoint& gone) const {
    const auto service = state_.services.find(gone.service);
    if (service == state_.services.end() || service->second.id != gone.service_id) {
        return false;
    }
    const auto endpoint = service->second.backends.find(gone.endpoint);
    return endpoint != service->second.backends.end() && is_serving(endpoint->second.state);
}

}  // namespace shunt
