// SPDX-License-Identifier: Apache-2.0
// Programs on devices. What is attached stays attached when the agent goes; a later agent replaces the programs
// in place. Nothing is ever taken off and put on again: some NICs reset their link when XDP comes.
//
//   XDP   native, by a pinned bpf_link; where a libxdp dispatcher is on the device already, or on demand, as one of
//         its programs (xdp_chain.h).
//   tc    a pinned tcx link at the head of the hook (Linux 6.6), else a clsact filter of preference 1, which
//         is put back when someone removes it.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "agent/datapath/pin_directory.h"
#include "agent/datapath/programs.h"
#include "agent/datapath/xdp_chain.h"
#include "agent/support/result.h"
#include "maps/device.h"

namespace shunt {

enum class AttachMode {
    automatic,  // native XDP where the device takes it, tc beside it or instead
    xdp,        // a device that refuses native XDP is an error
    tc,
};

struct AttachOptions {
    AttachMode mode = AttachMode::automatic;
    bool xdp_chain = false;  // leave room for others also on a free device
    bool allow_tcx = true;   // false goes by clsact also where the kernel has tcx, as a test of the older way must
};

struct AttachedDevice {
    xdp_attachment xdp = XDP_OFF;
    tc_attachment tc = TC_OFF;
    std::string note;  // why XDP is off, or that it is shared
};

class Attachment {
public:
    Attachment(const PinDirectory& pins, const Programs& programs, const AttachOptions& options)
        : pins_(pins), programs_(programs), options_(options), chain_(pins, programs) {}

    // Idempotent: makes sure that this build's programs are on the device. `allow_xdp` is false for devices that
    // XDP makes no sense on (tunnels).
    Result<AttachedDevice> attach(int ifindex, bool allow_xdp);

    // The device is served by clsact filters, and one of them is gone.
    bool clsact_is_missing(int ifindex) const;

    // The device's XDP program stood in a chain, and somebody took it out.
    bool was_put_out_of_chain(int ifindex) { return chain_.was_put_out(ifindex); }

private:
    Result<xdp_attachment> attach_xdp(int ifindex, std::string& note);
    Result<xdp_attachment> join_chain(int ifindex, std::string& note);
    Result<xdp_attachment> without_xdp(int ifindex, const std::string& note) const;
    Result<tc_attachment> attach_tc(int ifindex, bool ingress, int program) const;
    const PinDirectory& pins_;
    const Programs& programs_;
    AttachOptions options_;
    XdpChain chain_;
};

// Devices that a pinned link or the pinned `devices` map names, whatever build made them.
std::set<int> known_devices(const std::string& pin_directory);

// Takes everything of ours off the device: pinned links, our place in an XDP chain, and clsact filters that are ours,
// never the qdisc; and its entry in `devices`. Not an error if nothing is there, or the device is gone.
void detach_from_device(const std::string& pin_directory, int ifindex);

}  // namespace shunt
