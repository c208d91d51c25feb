// SPDX-License-Identifier: Apache-2.0
// The pinned iterators of bpf/show.bpf.c: what `cat` reads under show/.
#pragma once

#include <string>

#include "agent/support/result.h"

namespace shunt {

// Loads the programs over the maps that are pinned in `pin_dir` and pins show/services, show/frontends, show/backends,
// show/flows4, show/flows6 and show/counters, in place of earlier ones. An iterator keeps its maps alive, so whoever
// gives up the maps has to unpin it.
Status pin_iterators(const std::string& pin_dir);

}  // namespace shunt
