// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/command/agent_options.h"

namespace shunt {

// Runs until SIGINT or SIGTERM. The exit code: 0, or 1 if it could not start (the log says why).
int run_agent(const AgentOptions& options);

}  // namespace shunt
