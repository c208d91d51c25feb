// SPDX-License-Identifier: Apache-2.0
// Whether new flows are left to the stack (enum control_drain of maps/control.h). It stands in the pinned `control`, so it holds
// without an agent and for the next one.
#pragma once

#include <string>

#include "agent/support/mapping.h"
#include "agent/support/result.h"
#include "maps/control.h"

namespace shunt {

control_drain drain_state(const control& page);

class DrainSwitch {
public:
    // `control_map`: a descriptor, borrowed.
    static Result<DrainSwitch> open(int control_map);
    // The caller knows that they are maps of this ABI.
    static Result<DrainSwitch> open(const std::string& pin_directory);

    control_drain state() const;
    // In force with the next packet, on every CPU.
    void set(control_drain drain) const;

private:
    explicit DrainSwitch(Mapping page) : page_(std::move(page)) {}
    Mapping page_;
};

}  // namespace shunt
