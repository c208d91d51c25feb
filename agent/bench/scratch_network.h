// SPDX-License-Identifier: Apache-2.0
// A network namespace with a device and its routes, for the questions that programs ask the FIB. The node sees nothing
// of it.
#pragma once

#include "agent/support/result.h"

namespace shunt::bench {

struct ScratchNetwork {
    unsigned uplink = 0;  // ifindex
    unsigned spare = 0;   // that of a device which is down: no packet ever comes by it
};

// Takes the calling thread, and no other, into a namespace that lives as long as the thread.
Result<ScratchNetwork> enter_scratch_network();

}  // namespace shunt::bench
