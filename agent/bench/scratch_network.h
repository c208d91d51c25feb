// SPDX-License-Identifier: Apache-2.0
// A network namespace with a device and its routes, for the questions that programs ask the FIB. The node sees nothing
// of it.
#pragma once

#include <functional>

#include "agent/support/result.h"

namespace shunt::bench {

struct ScratchNetwork {
    unsigned uplink = 0;  // ifindex
    unsigned spare = 0;   // that of a device which is down: no packet ever comes by it
};

// Does `work` in a thread of its own, the only one in the namespace; both are gone when it returns.
void in_scratch_network(const std::function<void(const Result<ScratchNetwork>& network)>& work);

}  // namespace shunt::bench
