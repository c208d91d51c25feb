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

Hint hint_of(const std::vector<std::string>& names, std::string_view own) {
    if (names.empty()) {
        return Hint::none;
    }
    return !own.empty() && std::ranges::find(names, own) != names.end() ? Hint::own : Hint::others;
}

// Whether all of these endpoints, which are ready, have a hint of this kind, and one of them is for us.
bool is_obeyed(const std::vector<ChosenEndpoints::const_pointer>& ready, Hint ChosenEndpoint::*kind) {
    return std::ranges::none_of(ready, [&](const auto* one) { return one->second.*kind == Hint::none; }) &&
           std::ranges::any_of(ready, [&](const auto* one) { return one->second.*kind == Hint::own; });
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
                                 address_family family, const OwnPlace& own) {
    ChosenEndpoints chosen;
    for (const EndpointSlice* slice : slices) {
        const EndpointPort* number = matching_port(*slice, port);
        if (slice->family != family || number == nullptr) {
            continue;
        }
        for (const Endpoint& endpoint : slice->endpoints) {
            const bool is_local = !endpoint.node_name.empty() && endpoint.node_name == own.node;
            ChosenEndpoint candidate{.placement = is_local ? BACKEND_LOCAL : BACKEND_REMOTE,
                                     .state = endpoint_state(endpoint),
                                     .node = endpoint.node_name,
                                     .node_hint = hint_of(endpoint.node_hints, own.node),
                                     .zone_hint = hint_of(endpoint.zone_hints, own.zone)};
            auto [known, is_new] = chosen.try_emplace({endpoint.address, number->port}, candidate);
            if (!is_new && is_better(candidate, known->second)) {
                known->second = std::move(candidate);
            }
        }
    }
    return chosen;
}

bool is_serving(backend_state state) { return state == BACKEND_READY || state == BACKEND_SERVING_TERMINATING; }

std::set<BackendIdentity> cluster_set(const ChosenEndpoints& endpoints) {
    std::vector<ChosenEndpoints::const_pointer> ready;
    std::set<BackendIdentity> chosen;
    for (const auto& entry : endpoints) {
        if (entry.second.state == BACKEND_READY) {
            ready.push_back(&entry);
        } else if (entry.second.state == BACKEND_SERVING_TERMINATING) {
            chosen.insert(chosen.end(), entry.first);
        }
    }
    if (ready.empty()) {
        return chosen;
    }
    chosen.clear();
    const bool by_node = is_obeyed(ready, &ChosenEndpoint::node_hint);
    const bool by_zone = !by_node && is_obeyed(ready, &ChosenEndpoint::zone_hint);
    for (const auto* one : ready) {
        if ((!by_node || one->second.node_hint == Hint::own) && (!by_zone || one->second.zone_hint == Hint::own)) {
            chosen.insert(chosen.end(), one->first);
        }
    }
    return chosen;
}

std::set<BackendIdentity> local_set(const ChosenEndpoints& endpoints) {
    for (const backend_state wanted : {BACKEND_READY, BACKEND_SERVING_TERMINATING}) {
        std::set<BackendIdentity> chosen;
        for (const auto& [identity, endpoint] : endpoints) {
            if (endpoint.state == wanted && endpoint.placement == BACKEND_LOCAL) {
                chosen.insert(chosen.end(), identity);
            }
        }
        if (!chosen.empty()) {
            return chosen;
        }
    }
    return {};
}

}  // namespace shunt
