// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/endpoint_choice.h"

#include <algorithm>
#include <tuple>

namespace shunt {
namespace {

// nullptr: the slice has no such port.
const EndpointPort* matching_port(const EndpointSlice& slice, const ServicePort& port) {
    auto match = std::ranges::find_if(slice.ports, [&](const EndpointPort& candidate) {
        return candidate.name == port.name && candidate.protocol == port.protocol && candidate.port != 0;
    });
    return match == slice.ports.end() ? nullptr : &*match;
}

// BACKEND_LOCAL and BACKEND_READY are the smallest of their kinds.
bool is_better(const ChosenEndpoint& left, const ChosenEndpoint& right) {
    return std::tie(left.placement, left.state) < std::tie(right.placement, right.state);
}

}  // namespace

backend_state endpoint_state(const Endpoint& endpoint) {
    const bool ready = endpoint.ready.value_or(true);
    const bool serving = endpoint.serving.value_or(ready);
    const bool terminating = endpoint.terminating.value_or(false);
    if (ready) {
        return BACKEND_READY;
    }
    if (terminating) {
        return serving ? BACKEND_SERVING_TERMINATING : BACKEND_TERMINATING;
    }
    return BACKEND_NOT_READY;
}

bool is_for_another_proxy(const std::map<std::string, std::string>& labels) {
    return labels.contains("service.kubernetes.io/service-proxy-name");
}

bool is_slice_ignored(const EndpointSlice& slice) {
    return is_for_another_proxy(slice.labels) || slice.labels.contains("service.kubernetes.io/headless");
}

std::vector<const EndpointSlice*> slices_of(const Snapshot& snapshot, const ObjectName& service) {
    std::vector<const EndpointSlice*> slices;
    auto names = snapshot.slices_of_service.find(service);
    if (names == snapshot.slices_of_service.end()) {
        return slices;
    }
    for (const ObjectName& name : names->second) {
        auto slice = snapshot.slices.find(name);
        if (slice != snapshot.slices.end() && !is_slice_ignored(slice->second)) {
            slices.push_back(&slice->second);
        }
    }
    return slices;
}

ChosenEndpoints choose_endpoints(std::span<const EndpointSlice* const> slices, const ServicePort& port,
                                 address_family family, std::string_view own_node) {
    ChosenEndpoints chosen;
    for (const EndpointSlice* slice : slices) {
        const EndpointPort* number = matching_port(*slice, port);
        if (slice->family != family || number == nullptr) {
            continue;
        }
        for (const Endpoint& endpoint : slice->endpoints) {
            const bool is_local = !endpoint.node_name.empty() && endpoint.node_name == own_node;
            ChosenEndpoint candidate{.placement = is_local ? BACKEND_LOCAL : BACKEND_REMOTE,
                                     .state = endpoint_state(endpoint),
                                     .node = endpoint.node_name};
            auto [known, is_new] = chosen.try_emplace({endpoint.address, number->port}, candidate);
            if (!is_new && is_better(candidate, known->second)) {
                known->second = std::move(candidate);
            }
        }
    }
    return chosen;
}

std::set<BackendIdentity> usable_endpoints(const ChosenEndpoints& endpoints) {
    for (backend_state wanted : {BACKEND_READY, BACKEND_SERVING_TERMINATING}) {
        std::set<BackendIdentity> usable;
        for (const auto& [identity, endpoint] : endpoints) {
            if (endpoint.state == wanted) {
                usable.insert(usable.end(), identity);
            }
        }
        if (!usable.empty()) {
            return usable;
        }
    }
    return {};
}

}  // namespace shunt
