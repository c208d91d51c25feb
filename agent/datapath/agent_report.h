// SPDX-License-Identifier: Apache-2.0
// What the agent says about itself in `agent_state`, for `shunt status` and whoever reads the map.
#pragma once

#include <string>

#include "agent/support/result.h"
#include "maps/agent_state.h"

namespace shunt {

class AgentReport {
public:
    // `map`: descriptor of `agent_state`, not owned. An earlier agent's last change stays known.
    AgentReport(int map, const std::string& node_name, const std::string& source);

    agent_state& state() { return state_; }
    void set_waiting_for(const std::string& text);  // empty: nothing
    void set_last_error(const std::string& text);   // empty: mended

    // A failure is logged once: the datapath does not depend on it.
    void publish();

private:
    int map_;
    agent_state state_{};
    bool complained_ = false;
};

}  // namespace shunt
