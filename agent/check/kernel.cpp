// SPDX-License-Identifier: Apache-2.0
// The kernel: old enough to know, and built with what programs need.
#include <cstdio>
#include <utility>

#include "agent/check/check.h"

namespace shunt {

Findings check_kernel(const Machine& machine) {
    Findings found;
    const std::string release = machine.text("/proc/sys/kernel/osrelease").value_or("?");
    std::pair<int, int> version;
    if (std::sscanf(release.c_str(), "%d.%d", &version.first, &version.second) != 2) {
        found.push_back({Level::warning, "kernel", "its version is not readable: " + release, "6.1 or newer is needed: uname -r"});
    } else if (version < std::pair(6, 1)) {
        found.push_back({Level::failure, "kernel", "Linux " + release + " is too old", "boot Linux 6.1 or newer"});
    } else {
        found.push_back({Level::ok, "kernel",
                         "Linux " + release + (version < std::pair(6, 6) ? ", tc by clsact" : ", tc by tcx"), ""});
    }
    if (!machine.exists("/sys/kernel/btf/vmlinux")) {
        found.push_back({Level::failure, "kernel", "no BTF: the programs cannot be loaded",
                         "boot a kernel with CONFIG_DEBUG_INFO_BTF=y"});
    }
    // Only in the first network namespace; root's to read.
    if (machine.number("/proc/sys/net/core/bpf_jit_enable") == 0) {
        found.push_back({Level::warning, "kernel", "the BPF JIT is off: programs are interpreted, several times slower",
                         "sysctl -w net.core.bpf_jit_enable=1"});
    }
    return found;
}

}  // namespace shunt
