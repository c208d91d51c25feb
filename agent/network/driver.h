// SPDX-License-Identifier: Apache-2.0
// What a device's driver can do for XDP.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace shunt {

// By ifindex. Bits of the kernel's NETDEV_XDP_ACT_*.
using XdpFeatures = std::map<unsigned, std::uint64_t>;
inline constexpr std::uint64_t XDP_FEATURE_BASIC = 1;     // XDP_PASS, XDP_DROP, XDP_TX
inline constexpr std::uint64_t XDP_FEATURE_TRANSMIT = 4;  // others may redirect to it (ndo_xdp_xmit)

// nullopt: the kernel can't say, before 6.3.
std::optional<XdpFeatures> read_xdp_features();

// Fills `command`, a struct of linux/ethtool.h that begins with its number. False: there is no such device, or its
// driver does not know the command.
bool ask_ethtool(const std::string& device, void* command);

// "ena", "veth", …; empty for devices without ethtool.
std::string driver_name(const std::string& device);

// For kernels that can't say: drivers known to have ndo_xdp_xmit in Linux 6.1.
bool is_transmitting_driver(std::string_view driver);

}  // namespace shunt
