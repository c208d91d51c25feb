// SPDX-License-Identifier: Apache-2.0
// A place among the XDP programs of a device that several share, by libxdp's protocol: its dispatcher stands on the
// device and calls them in the order of their priorities, each as an extension (BPF_PROG_TYPE_EXT) of the dispatcher.
// The others' programs stay what and where they are, whatever is done here. As with everything else of ours, the
// program stays when the agent goes (libxdp pins it under /sys/fs/bpf/xdp).
//
// Ours are recognised by the maps they use, so one that an agent put there just before it died is found, too.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "agent/datapath/pin_directory.h"
#include "agent/datapath/programs.h"
#include "agent/support/result.h"

namespace shunt {

class XdpChain {
public:
    XdpChain(const PinDirectory& pins, const Programs& programs) : pins_(pins), programs_(programs) {}

    // Idempotent: makes sure that this build's program runs on the device in native mode, in a dispatcher, which is
    // made where the device is free. A predecessor leaves once the new one is in: for the moment between, both run, and
    // what the first has rewritten is no concern of the second.
    Status join(int ifindex);

    // Somebody took the program out that join() put in.
    bool was_put_out(int ifindex);

private:
    struct Place {
        std::uint32_t program = 0;     // id of the one that this object put there
        std::uint32_t dispatcher = 0;  // id of the one in which it was last seen
    };
    bool has_place(int ifindex);
    const PinDirectory& pins_;
    const Programs& programs_;
    bool is_possible_ = true;              // until the kernel has shown that it is not
    std::map<int, Place> places_;  // by ifindex
};

// libxdp's dispatcher is on the device. False if it cannot be told, as without sight of libxdp's pins.
bool has_dispatcher(int ifindex);

// A program that uses the maps of this pin directory is in the device's dispatcher.
bool is_in_chain(const std::string& pin_directory, int ifindex);

// Takes those out, except the one with the id `keep`. Not an error if there are none.
Status leave_chain(const std::string& pin_directory, int ifindex, std::uint32_t keep = 0);

}  // namespace shunt
