// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/flow_use.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/datapath/flow_pair.h"

namespace shunt {
namespace {

// Source address, backend's address and port, protocol: whoever shares them shares a range of source ports.
using PortRange = std::array<char, 2 * ADDRESS_SIZE + 3>;

struct PortRangeHash {
    std::size_t operator()(const PortRange& range) const {
        return std::hash<std::string_view>()({range.data(), range.size()});
    }
};

template <typename Flow>
PortRange port_range(const Flow& flow) {
    PortRange range{};
    std::memcpy(range.data(), &flow.saddr, sizeof(flow.saddr));
    std::memcpy(range.data() + ADDRESS_SIZE, &flow.daddr, sizeof(flow.daddr));
    std::memcpy(range.data() + 2 * ADDRESS_SIZE, &flow.recipe.dport, sizeof(flow.recipe.dport));
    range.back() = static_cast<char>(flow.key.protocol);
    return range;
}

template <typename Flow>
constexpr address_family family_of = sizeof(Flow) == sizeof(flow4) ? IPV4 : IPV6;

struct PortUse {
    std::uint64_t ports = 0;
    std::vector<std::uint32_t> services;  // one nearly always; a pod can stand behind more

    void add(std::uint32_t service) {
        ports++;
        if (std::ranges::find(services, service) == services.end()) {
            services.push_back(service);
        }
    }
};

}  // namespace

FlowUse count_flow_use(const FlowTables& tables) {
    FlowUse use;
    // As wide as recipe.service: a million flows are counted without a search.
    std::vector<std::uint64_t> by_service(1U << 16);
    std::array<std::array<std::uint64_t, 2>, 256> by_state{};
    std::unordered_map<PortRange, PortUse, PortRangeHash> ranges;
    tables.walk([&]<typename Flow>(const Flow& flow) {
        if (!is_request(flow.key)) {
            return;
        }
        by_state[flow.recipe.state][family_of<Flow> == IPV6]++;
        by_service[flow.recipe.service]++;
        if (recipe_kind_of(flow.key.hook, flow.recipe.next_hop) == RECIPE_REMOTE_REQUEST) {
            ranges[port_range(flow)].add(flow.recipe.service);
        }
    });
    for (const flow_state state : {FLOW_HALF_OPEN, FLOW_REPLIED, FLOW_ESTABLISHED, FLOW_CLOSING}) {
        use.flows[{IPV4, state}] = by_state[state][0];
        use.flows[{IPV6, state}] = by_state[state][1];
    }
    for (std::uint32_t id = 0; id < by_service.size(); id++) {
        if (by_service[id] != 0) {
            use.by_service[id] = by_service[id];
        }
    }
    for (const auto& [key, range] : ranges) {
        for (const std::uint32_t service : range.services) {
            std::uint64_t& fullest = use.fullest_backend[service];
            fullest = std::max(fullest, range.ports);
        }
    }
    return use;
}

}  // namespace shunt
