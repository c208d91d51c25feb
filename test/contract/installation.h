// SPDX-License-Identifier: Apache-2.0
// A world of the model as the agent knows it: its objects through the real planner into the maps of the programs under test, and
// flows of endpoints that are gone through the real removal. Stands for the agent from the decoded objects on.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/datapath/service_sync.h"
#include "agent/model/snapshot.h"
#include "test/bpf/datapath.h"
#include "test/contract/model.h"

namespace shunt::contract {

// Loads the programs that remove flows: once for a datapath, because it takes long.
FlowUpkeep load_upkeep(const test::Datapath& datapath);

class Installation {
public:
    // All of them live longer than this. Empties the maps.
    Installation(test::Datapath& datapath, const test::Network& network, const FlowUpkeep& upkeep);
    ~Installation();
    Installation(const Installation&) = delete;
    Installation& operator=(const Installation&) = delete;

    // All of it is in force afterwards. Aborts if the agent would not do that.
    void put(const World& world);
    // As if the agent ended and another took over.
    void restart();

private:
    test::Datapath& datapath_;
    const FlowUpkeep& upkeep_;
    MapDescriptors maps_;
    Snapshot snapshot_;
    std::optional<ServiceSync> sync_;
    std::uint64_t now_ns_ = 1'000'000'000'000;
};

}  // namespace shunt::contract
