// SPDX-License-Identifier: Apache-2.0
// One external device: what its driver does for XDP, and who else is on it.
#include <bpf/bpf.h>
#include <linux/ethtool.h>

#include <algorithm>

#include "agent/check/check.h"
#include "agent/check/tc_filters.h"
#include "agent/datapath/kernel.h"
#include "agent/datapath/pin_directory.h"
#include "agent/network/driver.h"
#include "agent/support/fd.h"

namespace shunt {
namespace {

constexpr std::uint32_t kEthtoolFlagLro = 1U << 15;  // ETH_FLAG_LRO

std::uint32_t our_xdp_program(const std::string& pin_dir, unsigned ifindex) {
    const Fd link(bpf_obj_get(link_pin(pin_dir, "xdp", static_cast<int>(ifindex)).c_str()));
    bpf_link_info info{};
    __u32 length = sizeof(info);
    return link && bpf_obj_get_info_by_fd(link.get(), &info, &length) == 0 ? info.prog_id : 0;
}

// XDP needs queues of its own to send by.
void check_queues(const ExternalDevice& device, Findings& found) {
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    if (device.driver != "ena" || !ask_ethtool(device.name, &channels) || channels.max_combined == 0) {
        return;
    }
    if (channels.combined_count > channels.max_combined / 2) {
        const std::string half = std::to_string(std::max(1U, channels.max_combined / 2));
        found.push_back({Level::warning, device.name,
                         "uses " + std::to_string(channels.combined_count) + " of " + std::to_string(channels.max_combined) +
                             " queues: ena drivers before 2.17 take XDP with at most half of them",
                         "ethtool -L " + device.name + " combined " + half + ", if `shunt status` says that XDP was refused"});
    }
}

void check_offloads(const ExternalDevice& device, Findings& found) {
    ethtool_value flags{};
    flags.cmd = ETHTOOL_GFLAGS;
    if (ask_ethtool(device.name, &flags) && (flags.data & kEthtoolFlagLro) != 0) {
        found.push_back({Level::warning, device.name, "LRO is on: many drivers refuse XDP with it, and joined segments cannot be forwarded",
                         "ethtool -K " + device.name + " lro off"});
    }
}

void check_others(const ExternalDevice& device, const std::string& pin_dir, Findings& found) {
    const std::uint32_t there = xdp_program_on(static_cast<int>(device.ifindex));
    if (there != 0 && there != our_xdp_program(pin_dir, device.ifindex)) {
        const std::string id = std::to_string(there);
        found.push_back({Level::note, device.name,
                         "XDP program id " + id + " is on it: if it is libxdp's dispatcher shunt joins it, else tc serves this device",
                         "bpftool prog show id " + id});
    }
}

void check_filters(const ExternalDevice& device, Findings& found) {
    const auto filters = read_tc_filters(device.ifindex);
    if (!filters) {
        found.push_back({Level::note, device.name, filters.error().message(), "tc filter show dev " + device.name + " ingress"});
        return;
    }
    for (const TcFilter& filter : *filters) {
        if (filter.is_ours()) {
            continue;
        }
        const std::string hook = filter.ingress ? "ingress" : "egress";
        found.push_back({Level::note, device.name,
                         "tc filter " + filter.kind + (filter.name.empty() ? "" : " " + filter.name) + " at " + hook + ", preference " +
                             std::to_string(filter.preference) + ", is somebody else's: it does not see what shunt forwards" +
                             (filter.preference == 1 ? ", and on Linux before 6.6 shunt's may take its place" : ""),
                         "tc filter show dev " + device.name + ' ' + hook});
    }
}

}  // namespace

Findings check_device(const ExternalDevice& device, const std::string& pin_dir, bool use_xdp) {
    Findings found;
    if (!device.has_link_layer) {
        return {{Level::warning, device.name, "has no Ethernet header: it is left to the stack", "leave it out with --device"}};
    }
    if (!device.up) {
        found.push_back({Level::warning, device.name, "is down", "ip link set " + device.name + " up"});
    }
    check_filters(device, found);
    if (use_xdp && !device.is_tunnel) {
        if (device.xdp_native == false) {
            found.push_back({Level::note, device.name,
                             "its driver (" + (device.driver.empty() ? device.kind : device.driver) + ") has no native XDP: tc serves it", ""});
        }
        check_queues(device, found);
        check_offloads(device, found);
        check_others(device, pin_dir, found);
    }
    if (found.empty()) {
        const std::string driver = device.driver.empty() ? "" : " (" + device.driver + ')';
        found.push_back({Level::ok, device.name,
                         "MTU " + std::to_string(device.mtu) + ", " +
                             (!use_xdp || device.is_tunnel ? "tc" : device.xdp_native ? "native XDP" : "XDP as far as the kernel tells") +
                             driver,
                         ""});
    }
    return found;
}

}  // namespace shunt
