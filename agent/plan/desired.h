// SPDX-License-Identifier: Apache-2.0
// What one Service asks for, seen by itself: before it is known whether its frontends are free and the maps have
// room.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/model/snapshot.h"
#include "agent/plan/endpoint_choice.h"
#include "agent/plan/map_state.h"

namespace shunt {

struct DesiredService {
    ServiceKey key;
    service value{};  // without slices; `treatment` says SERVED if nothing speaks against it so far
    std::map<frontend_key, frontend_kind, FrontendKeyLess> frontends;  // empty unless SERVED
    ChosenEndpoints endpoints;                                         // likewise
    std::set<IpPrefix> source_ranges;                                  // likewise; of its family
    bool confirmed = true;  // the source says so; false: known from the maps alone
    std::string reason;     // for people, why it is left to the stack; empty if SERVED
};

// A Service that no proxy serves (headless, ExternalName) or another one does.
bool is_service_ignored(const Service& service);

struct DesiredServices {
    std::vector<DesiredService> services;
    std::vector<std::string> warnings;  // about ports that cannot be recorded at all
};

// `more_families`: to be considered besides those that the Service and its slices show.
DesiredServices desired_services(const Snapshot& snapshot, const Service& service, const std::string& own_node,
                                 const MapState::Basis& basis, const std::set<address_family>& more_families);

// Words for a treatment, e.g. "another Service has one of its frontends".
std::string treatment_reason(service_treatment treatment);

}  // namespace shunt
