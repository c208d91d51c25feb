// SPDX-License-Identifier: Apache-2.0
// A world of the model as the agent knows it: its objects through the real plan() and apply() into the maps of the
// programs under test. Stands for the agent from the decoded objects on.
#pragma once

#include <cstdint>

#include "agent/datapath/map_state.h"
#include "agent/model/snapshot.h"
#include "agent/plan/planner.h"
#include "test/bpf/datapath.h"
#include "test/contract/model.h"

namespace shunt::contract {

class Installation {
public:
    // Both live longer than this. Empties the maps.
    Installation(test::Datapath& datapath, const test::Network& network);
    ~Installation();
    Installation(const Installation&) = delete;
    Installation& operator=(const Installation&) = delete;

    // All of it is in force afterwards. Aborts if the agent would not do that.
    void put(const World& world);
    // As if the agent ended and another took over.
    void restart();

    const std::vector<std::string>& warnings() const { return warnings_; }

private:
    test::Datapath& datapath_;
    MapDescriptors maps_;
    Snapshot snapshot_;
    MapState state_;
    std::uint64_t now_ns_ = 1'000'000'000'000;
    std::vector<std::string> warnings_;
};

}  // namespace shunt::contract
