// SPDX-License-Identifier: Apache-2.0
#include "agent/check/check.h"

namespace shunt {

Findings check_machine(const CheckOptions& options) {
    const Machine machine;
    Findings all;
    const auto add = [&all](Findings findings) { all.insert(all.end(), findings.begin(), findings.end()); };
    add(check_kernel(machine));
    add(check_privileges(machine));
    add(check_bpffs(machine, options.pin_dir));
    add(check_memory(memory_limit(), options.max_flows));
    add(check_forwarding(machine, options.devices));
    add(check_ports(machine, options.snat_ports));
    add(check_conntrack(machine));
    add(check_netfilter(machine, read_netfilter_chains(), read_legacy_chains(machine)));
    if (options.devices.empty()) {
        add({{Level::failure, "devices", "no external device was found", "name them: --device IF[,IF]"}});
    }
    for (const ExternalDevice& device : options.devices) {
        add(check_device(device, options.pin_dir, options.use_xdp));
    }
    return all;
}

}  // namespace shunt
