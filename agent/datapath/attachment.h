// SPDX-License-Identifier: Apache-2.0
// Programs on devices. What is attached stays attached when the agent goes; a later agent replaces the programs
// in place. Nothing is ever taken off and put on again: some NICs reset their link when XDP comes.
//
//   XDP   native, by a pinned bpf_link.
//   tc    a pinned tcx link at the head of the hook (Linux 6.6), else a clsact filter of preference 1, which
//         is put back when someone removes it.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "agent/datapath/pin_directory.h"
#include "agent/datapath/programs.h"
#include "agent/support/result.h"
#include "maps/device.h"

namespace shunt {

enum class AttachMode {
    automatic,  // native XDP where the device takes it, tc beside it or instead
    xdp,        // a device that refuses native XDP is an error
    tc,
};

struct AttachedDevice {
    xdp_attachment xdp = XDP_OFF;
    tc_attachment tc = TC_OFF;
    std::string note;  // why XDP is off; empty if it is on
};

class Attachment {
public:
    // `allow_tcx`: false goes by clsact also where the kernel has tcx, as a test of the older way must.
    Attachment(const PinDirectory& pins, const Programs& programs, AttachMode mode, bool allow_tcx = true)
        : pins_(pins), programs_(programs), mode_(mode), allow_tcx_(allow_tcx) {}

    // Idempotent: makes sure that this build's programs are on the device. `allow_xdp` is false for devices that
    // XDP makes no sense on (tunnels).
    Result<AttachedDevice> attach(int ifindex, bool allow_xdp) const;

    // The device is served by clsact filters, and one of them is gone.
    bool clsact_is_missing(int ifindex) const;

private:
    Result<xdp_attachment> attach_xdp(int ifindex, std::string& note) const;
    Result<tc_attachment> attach_tc(int ifindex, bool ingress, int program) const;
    const PinDirectory& pins_;
    const Programs& programs_;
    AttachMode mode_;
    bool allow_tcx_;
};

// Devices that a pinned link or the pinned `devices` map names, whatever build made them.
std::set<int> known_devices(const std::string& pin_directory);

// Takes everything of ours off the device: pinned links, and clsact filters that are ours, never the qdisc; and its
// entry in `devices`. Not an error if nothing is there, or the device is gone.
void detach_from_device(const std::string& pin_directory, int ifindex);

}  // namespace shunt
