// SPDX-License-Identifier: Apache-2.0
// The filters at a device's clsact hooks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/support/result.h"

namespace shunt {

// What stands at one preference of a hook; the first where there are several.
struct TcFilter {
    std::string kind;  // "bpf", "flower", "matchall", …
    std::string name;  // of a BPF filter, as whoever attached it calls it; else empty
    bool ingress = true;
    std::uint32_t preference = 0;

    // A BPF filter that carries the name of a program of shunt's.
    bool is_ours() const;
};

// Of this network namespace; none if the device has no clsact qdisc. Takes no capability.
Result<std::vector<TcFilter>> read_tc_filters(unsigned ifindex);

}  // namespace shunt
