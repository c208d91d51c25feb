// SPDX-License-Identifier: Apache-2.0
#include "agent/report/flow_view.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <tuple>

#include "maps/control.h"

namespace shunt {
namespace {

template <typename Key, typename Flow>
FlowRow flow_row(const Key& key, const Flow& flow, std::uint64_t now_ns) {
    const recipe& recipe = flow.recipe;
    FlowRow row{
        .protocol = static_cast<l4_protocol>(key.protocol),
        .client = address_port(key.saddr, key.sport),
        .frontend = address_port(key.daddr, key.dport),
        .backend = address_port(flow.daddr, recipe.dport),
        .source = {},
        .state = static_cast<flow_state>(recipe.state),
        .idle_s = idle_seconds(recipe.last_seen, now_ns),
        .service = recipe.service,
    };
    if (recipe.kind == RECIPE_REMOTE_REQUEST) {
        row.source = address_port(flow.saddr, recipe.sport);
    }
    return row;
}

}  // namespace

std::uint64_t idle_seconds(std::uint32_t last_seen, std::uint64_t now_ns) {
    const auto ticks = static_cast<std::int32_t>(static_cast<std::uint32_t>(now_ns >> TICK_SHIFT) - last_seen);
    return ticks <= 0 ? 0 : (static_cast<std::uint64_t>(ticks) << TICK_SHIFT) / 1000000000;
}

bool FlowFilter::accepts(const FlowRow& row) const {
    return (!client || row.client.address == *client) && (!backend || row.backend.address == *backend) &&
           (!backend_port || row.backend.port == *backend_port) && (!protocol || row.protocol == *protocol) &&
           (!services || services->contains(row.service));
}

Result<std::vector<FlowRow>> read_flows(const PinnedMaps& maps, const FlowFilter& filter, std::uint64_t now_ns) {
    std::vector<FlowRow> rows;
    auto walked = maps.walk_flows([&](const auto& key, const auto& flow) {
        if (!is_request(flow.recipe)) {
            return;
        }
        FlowRow row = flow_row(key, flow, now_ns);
        if (!filter.accepts(row)) {
            return;
        }
        const auto reply_key = partner_key(key, flow);
        std::remove_cvref_t<decltype(flow)> reply{};
        const int map = maps.fd(row.client.address.family == IPV4 ? "flows4" : "flows6");
        if (bpf_map_lookup_elem(map, &reply_key, &reply) == 0) {
            row.idle_s = std::min(row.idle_s, idle_seconds(reply.recipe.last_seen, now_ns));
        }
        rows.push_back(std::move(row));
    });
    if (!walked) {
        return std::unexpected(walked.error());
    }
    std::ranges::sort(rows, {}, [](const FlowRow& row) { return std::tuple(row.client, row.frontend, row.protocol); });
    return rows;
}

}  // namespace shunt
