// SPDX-License-Identifier: Apache-2.0
// What the flows in the tables take: counted in one walk.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "agent/datapath/flow_table.h"
#include "maps/flow.h"

namespace shunt {

struct FlowUse {
    std::map<std::pair<address_family, flow_state>, std::uint64_t> flows;
    std::map<std::uint32_t, std::uint64_t> by_service;  // id -> flows
    // Source ports towards backends on other nodes. Each backend, seen from each source address, has the whole range
    // for itself; so what counts is the fullest one. By id of each service that has flows to it.
    std::map<std::uint32_t, std::uint64_t> fullest_backend;
};

FlowUse count_flow_use(const FlowTables& tables);

}  // namespace shunt
