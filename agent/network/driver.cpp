// SPDX-License-Identifier: Apache-2.0
#include "agent/network/driver.h"

#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "agent/network/netlink.h"
#include "agent/support/fd.h"

namespace shunt {
namespace {

// linux/netdev.h (6.3), which older headers lack.
constexpr const char* NETDEV_FAMILY = "netdev";
constexpr std::uint8_t NETDEV_CMD_DEV_GET = 1;
constexpr std::uint16_t NETDEV_A_DEV_IFINDEX = 1;
constexpr std::uint16_t NETDEV_A_DEV_XDP_FEATURES = 3;

std::uint16_t family_id(Netlink& netlink, const char* name) {
    NetlinkRequest request(GENL_ID_CTRL, 0);
    genlmsghdr& body = request.body<genlmsghdr>();
    body.cmd = CTRL_CMD_GETFAMILY;
    body.version = 1;
    request.put_string(CTRL_ATTR_FAMILY_NAME, name);
    std::uint16_t id = 0;
    netlink.request(request, [&id](const nlmsghdr& message) {
        const nlattr* attribute =
            parse_attributes(message, sizeof(genlmsghdr), CTRL_ATTR_FAMILY_ID)[CTRL_ATTR_FAMILY_ID];
        id = attribute != nullptr ? mnl_attr_get_u16(attribute) : 0;
    });
    return id;
}

}  // namespace

std::optional<XdpFeatures> read_xdp_features() {
    Result<Netlink> netlink = Netlink::open(NETLINK_GENERIC);
    if (!netlink) {
        return std::nullopt;
    }
    const std::uint16_t family = family_id(*netlink, NETDEV_FAMILY);
    if (family == 0) {
        return std::nullopt;
    }
    NetlinkRequest request(family, 0);
    genlmsghdr& body = request.body<genlmsghdr>();
    body.cmd = NETDEV_CMD_DEV_GET;
    body.version = 1;
    XdpFeatures features;
    const int error = netlink->dump(request, [&features](const nlmsghdr& message) {
        const Attributes attributes = parse_attributes(message, sizeof(genlmsghdr), NETDEV_A_DEV_XDP_FEATURES);
        const nlattr* bits = attributes[NETDEV_A_DEV_XDP_FEATURES];
        if (bits != nullptr && mnl_attr_get_payload_len(bits) == sizeof(std::uint64_t)) {
            features[u32_of(attributes[NETDEV_A_DEV_IFINDEX])] = mnl_attr_get_u64(bits);
        }
    });
    return error == 0 ? std::optional(std::move(features)) : std::nullopt;
}

bool ask_ethtool(const std::string& device, void* command) {
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = {};
    if (!fd || device.size() >= sizeof(request.ifr_name)) {
        return false;
    }
    std::copy(device.begin(), device.end(), request.ifr_name);
    request.ifr_data = static_cast<char*>(command);
    return ::ioctl(fd.get(), SIOCETHTOOL, &request) == 0;
}

std::string driver_name(const std::string& device) {
    ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    if (!ask_ethtool(device, &info)) {
        return {};
    }
    return {info.driver, ::strnlen(info.driver, sizeof(info.driver))};
}

bool is_transmitting_driver(std::string_view driver) {
    static constexpr std::array<std::string_view, 7> DRIVERS = {"ena",   "mlx5_core", "i40e",      "ice",
                                                                "ixgbe", "veth",      "virtio_net"};
    return std::ranges::find(DRIVERS, driver) != DRIVERS.end();
}

}  // namespace shunt
