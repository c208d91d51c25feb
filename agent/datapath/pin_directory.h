// SPDX-License-Identifier: Apache-2.0
// The directory under bpffs where everything that traffic needs is pinned. Its lay-out:
//
//   <map name>                       the maps of maps/
//   programs/<program name>          the programs of bpf/forward.bpf.c
//   links/<hook>_<ifindex>           what is attached: xdp, tc_ingress, tc_egress
//   show/<what>                      iterators for cat(1)
#pragma once

#include <cstdint>
#include <string>

#include "agent/support/fd.h"
#include "agent/support/result.h"

namespace shunt {

inline std::string link_pin(const std::string& pin_directory, const std::string& hook, int ifindex) {
    return pin_directory + "/links/" + hook + '_' + std::to_string(ifindex);
}

class PinDirectory {
public:
    // Makes the directory (and mounts bpffs at /sys/fs/bpf if nothing is mounted there), and locks it: one agent
    // at a time. The lock goes with this object, or with the process.
    static Result<PinDirectory> open_and_lock(std::string path);

    const std::string& path() const { return path_; }
    std::string map(const std::string& name) const { return path_ + '/' + name; }
    std::string program(const std::string& name) const { return path_ + "/programs/" + name; }
    std::string link(const std::string& hook, int ifindex) const {
        return link_pin(path_, hook, ifindex);
    }

private:
    PinDirectory(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    std::string path_;
    Fd lock_;
};

// The ABI of the pinned maps (maps/control.h); 0: none are pinned, or the agent that makes them has only begun. Safe
// with maps of any build.
Result<std::uint32_t> pinned_abi(const std::string& pin_directory);

// Pins `fd` at `path`, in place of what is pinned there, without an instant in which nothing is.
Status pin_in_place(int fd, const std::string& path);

}  // namespace shunt
