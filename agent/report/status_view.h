// SPDX-License-Identifier: Apache-2.0
// The state of the node as `shunt status` tells it: read from the maps and the kernel, and judged.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/datapath/drain.h"
#include "agent/report/device_view.h"
#include "agent/report/pinned_maps.h"

namespace shunt {

// The agent, by its heartbeat. Its pid may be one of another PID namespace, so a process that is not found makes
// for a closer look and decides nothing.
struct AgentLife {
    bool alive = false;
    bool ever_ran = false;
    std::uint64_t heartbeat_age_ns = 0;
    bool has_process = false;  // `pid` exists as seen from here
};

struct ServiceTotals {
    std::size_t services = 0;  // Service ports, both families in one
    std::size_t left_to_stack = 0;
    std::size_t without_endpoints = 0;
    std::size_t frontends = 0;
    std::size_t backends = 0;
};

struct StatusReport {
    agent_state agent{};
    AgentLife life;
    control_drain drain = DRAIN_NONE;
    std::vector<DeviceRow> devices;
    ServiceTotals totals;
    std::uint64_t flows = 0;
    std::uint64_t max_flows = 0;  // per family
    std::array<std::uint64_t, EVENT_COUNT> events{};
    std::array<double, EVENT_COUNT> rates{};  // a second
    std::uint64_t now_ns = 0;                 // CLOCK_MONOTONIC
    std::string kernel;

    // What is not as it should be, each with a next step. Empty: OK. Services that are left to the stack are as
    // they should be.
    std::vector<std::string> problems() const;

    // Since the API server was last heard; 0 with manifests, which are always there.
    std::uint64_t source_silence_s() const;

    bool is_synced() const;  // what `--wait` waits for: synced by a living agent, and attached
};

AgentLife agent_life(const agent_state& state, std::uint64_t now_ns);

// Takes `sample_ms` for the rates; 0: no rates. Up to 1.5 s more if the agent's process is not found.
Result<StatusReport> read_status(const PinnedMaps& maps, unsigned sample_ms);

}  // namespace shunt
