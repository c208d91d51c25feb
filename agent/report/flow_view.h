// SPDX-License-Identifier: Apache-2.0
// Live flows as rows: one for each, from its request entry.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/report/pinned_maps.h"
#include "agent/report/words.h"

namespace shunt {

struct FlowRow {
    l4_protocol protocol;
    AddressPort client;
    AddressPort frontend;  // as the client dialled it
    AddressPort backend;
    std::optional<AddressPort> source;  // what a backend on another node sees; none: the client itself
    flow_state state;
    std::uint64_t idle_s;  // since the newest packet of either direction
    std::uint32_t service;
};

struct FlowFilter {
    std::optional<IpAddress> client;
    std::optional<IpAddress> backend;
    std::optional<std::uint16_t> backend_port;
    std::optional<l4_protocol> protocol;
    std::optional<std::set<std::uint32_t>> services;  // ids

    bool accepts(const FlowRow& row) const;
};

// `now_ns`: CLOCK_MONOTONIC. In order of client, frontend, protocol.
Result<std::vector<FlowRow>> read_flows(const PinnedMaps& maps, const FlowFilter& filter, std::uint64_t now_ns);

// Seconds since a tick of maps/control.h, modulo 2^16.
std::uint64_t idle_seconds(std::uint16_t last_seen, std::uint64_t now_ns);

}  // namespace shunt
