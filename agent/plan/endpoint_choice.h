// SPDX-License-Identifier: Apache-2.0
// From the EndpointSlices of a Service to the endpoints of one of its ports, and to those of them that take new flows.
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

// For whom an endpoint is meant, by nodes or by zones.
enum class Hint {
    none,    // it has no such hint
    own,     // this node or zone is named
    others,  // others are
};

struct ChosenEndpoint {
    backend_placement placement = BACKEND_REMOTE;
    backend_state state = BACKEND_NOT_READY;
    std::string node;  // empty: unknown
    Hint node_hint = Hint::none;
    Hint zone_hint = Hint::none;
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

// Where this node is; `zone` is empty if its Node does not say.
struct OwnPlace {
    std::string_view node;
    std::string_view zone;
};

// A slice's port has the name and protocol of the Service port; its number is the slice's own. An endpoint that
// stands in several slices is local if it is so in one of them, and of the best state among those; its hints are that one's.
ChosenEndpoints choose_endpoints(std::span<const EndpointSlice* const> slices, const ServicePort& port,
                                 address_family family, const OwnPlace& own);

// Existing flows of UDP stay with it, and it takes new ones if no endpoint is ready.
bool is_serving(backend_state state);

// Those that take new flows. The ready ones; if all of these have node hints and one of them is for this node, only those
// that are, else the same with zones. If none is ready anywhere, those that terminate but still serve, whatever their hints.
std::set<BackendIdentity> cluster_set(const ChosenEndpoints& endpoints);

// Those that take new flows under externalTrafficPolicy Local: the ready ones of this node, else those of this node that
// terminate but still serve. Hints do not count.
std::set<BackendIdentity> local_set(const ChosenEndpoints& endpoints);

}  // namespace shunt
