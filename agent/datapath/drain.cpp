// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/drain.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <atomic>

#include "agent/support/fd.h"

namespace shunt {

control_drain drain_state(const control& page) {
    return static_cast<control_drain>(std::atomic_ref(const_cast<__u32&>(page.drain)).load(std::memory_order_relaxed));
}

Result<DrainSwitch> DrainSwitch::open(int control_map) {
    auto page = Mapping::open(control_map, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), PROT_READ | PROT_WRITE, "control");
    if (!page) {
        return std::unexpected(page.error());
    }
    return DrainSwitch(std::move(*page));
}

Result<DrainSwitch> DrainSwitch::open(const std::string& pin_directory) {
    const std::string path = pin_directory + "/control";
    const Fd map(bpf_obj_get(path.c_str()));
    if (!map) {
        return failure_errno("open", path);
    }
    return open(map.get());
}

control_drain DrainSwitch::state() const { return drain_state(*static_cast<const control*>(page_.data())); }

void DrainSwitch::set(control_drain drain) const {
    std::atomic_ref(static_cast<control*>(page_.data())->drain).store(drain, std::memory_order_relaxed);
}

}  // namespace shunt
