// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/gone_flows.h"

#include <arpa/inet.h>

#include <cstring>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "agent/datapath/flow_pair.h"
#include "agent/plan/endpoint_choice.h"

namespace shunt {
namespace {

// A flow has 16 bits for its service's id, which is never larger.
using Target = std::pair<std::uint16_t, BackendIdentity>;

template <typename Flow>
Target target_of(const Flow& request) {
    BackendIdentity endpoint{.address = {.family = sizeof(request.daddr) == 4 ? IPV4 : IPV6},
                             .port = ntohs(request.recipe.dport)};
    std::memcpy(endpoint.address.octets.data(), &request.daddr, sizeof(request.daddr));
    return {request.recipe.service, endpoint};
}

struct KeyLess {
    template <typename Flow>
    bool operator()(const Flow& left, const Flow& right) const {
        return std::memcmp(&left.key, &right.key, sizeof(left.key)) < 0;
    }
};

}  // namespace

Result<GoneFlows> GoneFlows::open(const FlowMaps& maps, const FlowUpkeep& upkeep) {
    auto tables = FlowTables::open(maps);
    if (!tables) {
        return std::unexpected(tables.error());
    }
    return GoneFlows(std::move(*tables), upkeep);
}

// An entry may be seen twice while its table grows.
template <typename IsGone>
Result<std::size_t> GoneFlows::remove_if(IsGone&& is_gone) const {
    std::pair<std::set<flow4, KeyLess>, std::set<flow6, KeyLess>> found;
    tables_.walk([&](const auto& flow) {
        if (flow.key.protocol == UDP && is_request(flow.key) && is_gone(target_of(flow))) {
            std::get<std::set<std::remove_cvref_t<decltype(flow)>, KeyLess>>(found).insert(flow);
        }
    });
    std::size_t removed = 0;
    const auto forget = [&](const auto& flows) -> Status {
        for (const auto& flow : flows) {
            const auto was_there = upkeep_->forget(flow);
            if (!was_there) {
                return std::unexpected(was_there.error());
            }
            removed += *was_there ? 1 : 0;
        }
        return {};
    };
    if (auto done = forget(found.first); !done) {
        return std::unexpected(done.error());
    }
    if (auto done = forget(found.second); !done) {
        return std::unexpected(done.error());
    }
    return removed;
}

Result<std::size_t> GoneFlows::remove(const std::set<GoneEndpoint>& gone) const {
    std::set<Target> targets;
    for (const GoneEndpoint& one : gone) {
        targets.emplace(static_cast<std::uint16_t>(one.service_id), one.endpoint);
    }
    return remove_if([&](const Target& target) { return targets.contains(target); });
}

Result<std::size_t> GoneFlows::remove_all_but(const MapState& state) const {
    std::set<Target> serving;
    for (const auto& [key, record] : state.services) {
        for (const auto& [identity, known] : record.backends) {
            if (key.protocol == UDP && is_serving(known.state)) {
                serving.emplace(static_cast<std::uint16_t>(record.id), identity);
            }
        }
    }
    return remove_if([&](const Target& target) { return !serving.contains(target); });
}

}  // namespace shunt
