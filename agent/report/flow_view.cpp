// SPDX-License-Identifier: Apache-2.0
#include "agent/report/flow_view.h"

#include <algorithm>
#include <tuple>

#include "maps/control.h"

namespace shunt {
namespace {

template <typename Flow>
FlowRow flow_row(const Flow& flow, std::uint64_t now_ns) {
    const auto& key = flow.key;
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
    if (recipe_kind_of(key.hook, recipe.next_hop) == RECIPE_REMOTE_REQUEST) {
        row.source = address_port(flow.saddr, recipe.sport);
    }
    return row;
}

}  // namespace

std::uint64_t idle_seconds(std::uint16_t last_seen, std::uint64_t now_ns) {
    const auto ticks = static_cast<std::int16_t>(static_cast<std::uint16_t>(now_ns >> TICK_SHIFT) - last_seen);
    return ticks <= 0 ? 0 : (static_cast<std::uint64_t>(ticks) << TICK_SHIFT) / 1000000000;
}

bool FlowFilter::accepts(const FlowRow& row) const {
    return (!client || row.client.address == *client) && (!backend || row.backend.address == *backend) &&
           (!backend_port || row.backend.port == *backend_port) && (!protocol || row.protocol == *protocol) &&
           (!services || services->contains(row.service));
}

Result<std::vector<FlowRow>> read_flows(const PinnedMaps& maps, const FlowFilter& filter, std::uint64_t now_ns) {
    std::vector<FlowRow> rows;
    const auto tables = maps.flows();
    if (!tables) {
        return std::unexpected(tables.error());
    }
    tables->walk([&](const auto& flow) {
        if (!is_request(flow.key)) {
            return;
        }
        FlowRow row = flow_row(flow, now_ns);
        if (!filter.accepts(row)) {
            return;
        }
        const auto reply = tables->find(partner_key(flow));
        if (reply.key.protocol != 0) {
            row.idle_s = std::min(row.idle_s, idle_seconds(reply.recipe.last_seen, now_ns));
        }
        rows.push_back(std::move(row));
    });
    std::ranges::sort(rows, {}, [](const FlowRow& row) { return std::tuple(row.client, row.frontend, row.protocol); });
    return rows;
}

}  // namespace shunt
