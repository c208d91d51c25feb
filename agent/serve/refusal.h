// SPDX-License-Identifier: Apache-2.0
// An agent that must not start beside the maps of another ABI says so where people look: /metrics has
// `shunt_abi_mismatch` 1, /healthz and /livez fail with the reason. Traffic goes on with the programs that are there.
#pragma once

#include <functional>
#include <string>

#include "agent/serve/serving.h"

namespace shunt {

// The families that every scrape begins with.
void add_build_metrics(MetricPage& page, bool abi_mismatch);

// Returns after SIGINT or SIGTERM, or once `is_over`, which is asked every second.
void serve_refusal(const ServeOptions& options, const std::string& reason, std::function<bool()> is_over);

}  // namespace shunt
