// SPDX-License-Identifier: Apache-2.0
// The preflight: is this machine ready for shunt? Reads and changes nothing. One function for each subject, in a file of its
// name; each says at least that all is well.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/check/finding.h"
#include "agent/check/machine.h"
#include "agent/check/netfilter_chains.h"
#include "agent/network/devices.h"
#include "agent/network/reserved_ports.h"
#include "agent/support/memory_limit.h"

namespace shunt {

struct CheckOptions {
    std::string pin_dir;
    std::vector<ExternalDevice> devices;
    PortRange snat_ports{10240, 26623};
    std::uint32_t max_flows = 0;  // per family
    bool use_xdp = true;          // not --mode tc
};

// All of them.
Findings check_machine(const CheckOptions& options);

Findings check_kernel(const Machine& machine);
Findings check_privileges(const Machine& machine);
Findings check_bpffs(const Machine& machine, const std::string& pin_dir);
Findings check_memory(const MemoryLimit& limit, std::uint32_t max_flows);
Findings check_forwarding(const Machine& machine, const std::vector<ExternalDevice>& devices);
Findings check_ports(const Machine& machine, PortRange snat_ports);
Findings check_conntrack(const Machine& machine);
Findings check_netfilter(const Machine& machine, const Result<std::vector<NetfilterChain>>& nf_tables,
                         const Result<std::vector<NetfilterChain>>& legacy);
Findings check_device(const ExternalDevice& device, const std::string& pin_dir, bool use_xdp);

}  // namespace shunt
