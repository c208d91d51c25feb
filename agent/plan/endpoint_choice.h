// SPDX-License-Identifier: Apache-2.0
// From the EndpointSlices of a Service to the endpoints of one of its ports. Topology hints are not obeyed yet.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/snapshot.h"
#include "agent/plan/maglev.h"
#include "maps/backend.h"

namespace shunt {

struct ChosenEndpoint {
    backend_placement placement = BACKEND_REMOTE;
    backend_state state = BACKEND_NOT_READY;
    std::string node;  // empty: unknown
    bool operator==(const ChosenEndpoint&) const = default;
};
using ChosenEndpoints = std::map<BackendIdentity, ChosenEndpoint>;

// Defaults for conditions that are absent: ready, serving as ready, not terminating. Ready wins over terminating:
// that is how publishNotReadyAddresses reaches a proxy.
backend_state endpoint_state(const Endpoint& endpoint);

// Objects with one of these labels are another proxy's business (slices: also those of headless Services).
bool is_for_another_proxy(const std::map<std::string, std::string>& labels);
bool is_slice_ignored(const EndpointSlice& slice);

// The slices of a Service that count.
std::vector<const EndpointSlice*> slices_of(const Snapshot& snapshot, const ObjectName& service);

// A slice's port has the name and protocol of the Service port; its number is the slice's own. An endpoint that
// stands in several slices is local if it is so in one of them, and of the best state among those.
ChosenEndpoints choose_endpoints(std::span<const EndpointSlice* const> slices, const ServicePort& port,
                                 address_family family, std::string_view own_node);

// Those that take new flows: the ready ones; if none is ready anywhere, those that terminate but still serve.
std::set<BackendIdentity> usable_endpoints(const ChosenEndpoints& endpoints);

}  // namespace shunt
