// SPDX-License-Identifier: Apache-2.0
// The external devices: attached, and described in the `devices` map.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "agent/datapath/attachment.h"
#include "agent/network/devices.h"
#include "agent/support/result.h"

namespace shunt {

class ServedDevices {
public:
    ServedDevices(const PinDirectory& pins, const Programs& programs, const AttachOptions& options)
        : pins_(pins), programs_(programs), attachment_(pins, programs, options) {}

    // Attaches to each of `wanted`, leaves every other device that the map or a pinned link names, and makes the map
    // say so. Goes on after an error with the rest; the first one is returned.
    Status serve(const std::vector<ExternalDevice>& wanted);

    // Puts back what somebody removed: clsact filters, the program in an XDP chain.
    Status restore();

private:
    Status serve_one(const ExternalDevice& wanted);
    Status write_down(const ExternalDevice& external, const AttachedDevice& attached);
    void forget_others(const std::vector<ExternalDevice>& wanted);
    const PinDirectory& pins_;
    const Programs& programs_;
    Attachment attachment_;
    std::map<int, ExternalDevice> served_;
};

}  // namespace shunt
