// SPDX-License-Identifier: Apache-2.0
#include "agent/network/devices.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <array>
#include <map>

#include "agent/model/ip_prefix.h"
#include "agent/network/driver.h"
#include "agent/network/netlink.h"
#include "agent/network/routes.h"

namespace shunt {
namespace {

// By ifindex: a dump may show a device twice.
Result<std::map<unsigned, LinkMessage>> read_links(Netlink& netlink) {
    NetlinkRequest request(RTM_GETLINK, 0);
    request.body<ifinfomsg>();
    request.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    std::map<unsigned, LinkMessage> links;
    const int error = netlink.dump(request, [&links](const nlmsghdr& message) {
        if (auto link = parse_as<LinkMessage>(message)) {
            links.insert_or_assign(link->ifindex, *link);
        }
    });
    if (error != 0) {
        return failure("read devices", "", netlink.reason());
    }
    return links;
}

Result<std::vector<AddressMessage>> read_addresses(Netlink& netlink) {
    NetlinkRequest request(RTM_GETADDR, 0);
    request.body<ifaddrmsg>();
    std::vector<AddressMessage> addresses;
    const int error = netlink.dump(request, [&addresses](const nlmsghdr& message) {
        if (auto address = parse_as<AddressMessage>(message)) {
            addresses.push_back(*std::move(address));
        }
    });
    if (error != 0) {
        return failure("read addresses", "", netlink.reason());
    }
    return addresses;
}

Result<std::set<unsigned>> read_default_routes(Netlink& netlink) {
    std::set<unsigned> devices;
    const Status status = dump_routes(netlink, [&devices](const RouteMessage& route) {
        if (route.prefix == 0 && route.type == RTN_UNICAST) {
            for (const RouteHop& hop : route.hops) {
                devices.insert(hop.ifindex);
            }
        }
    });
    if (!status) {
        return std::unexpected(status.error());
    }
    return devices;
}

bool has_node_address(unsigned ifindex, std::span<const AddressMessage> addresses,
                      std::span<const IpAddress> node_addresses) {
    return std::ranges::any_of(addresses, [&](const AddressMessage& known) {
        return known.ifindex == ifindex && std::ranges::find(node_addresses, known.address) != node_addresses.end();
    });
}

}  // namespace

Result<std::set<IpAddress>> device_addresses() {
    Result<Netlink> netlink = Netlink::open();
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    const auto known = read_addresses(*netlink);
    if (!known) {
        return std::unexpected(known.error());
    }
    std::set<IpAddress> addresses;
    for (const AddressMessage& one : *known) {
        if ((one.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0 && !is_loopback_or_link_local(one.address)) {
            addresses.insert(one.address);
        }
    }
    return addresses;
}

bool is_loopback_or_link_local(const IpAddress& address) {
    static const std::array ranges = {IpPrefix::parse("127.0.0.0/8").value(), IpPrefix::parse("169.254.0.0/16").value(),
                                      IpPrefix::parse("::1/128").value(), IpPrefix::parse("fe80::/10").value()};
    return std::ranges::any_of(ranges, [&](const IpPrefix& range) { return range.contains(address); });
}

bool is_tunnel_kind(std::string_view kind) {
    static constexpr std::array<std::string_view, 17> KINDS = {
        "bareudp", "erspan", "geneve", "gre", "gretap", "gtp",   "ip6erspan", "ip6gre", "ip6gretap",
        "ip6tnl",  "ipip",   "sit",    "vti", "vti6",   "vxlan", "wireguard", "xfrm"};
    return std::ranges::find(KINDS, kind) != KINDS.end();
}

bool is_external(const LinkMessage& link, std::span<const AddressMessage> addresses,
                 const std::set<unsigned>& default_routes, const DeviceSelection& selection) {
    if ((link.flags & IFF_LOOPBACK) != 0) {
        return false;
    }
    if (!selection.names.empty()) {
        return std::ranges::find(selection.names, link.name) != selection.names.end();
    }
    if (has_node_address(link.ifindex, addresses, selection.node_addresses)) {
        return true;
    }
    if (link.kind == "veth" && link.peer_is_here) {
        return false;
    }
    // Loading a tunnel's module makes a device like tunl0 in every namespace, which is down as long as nobody wants it.
    return default_routes.contains(link.ifindex) || (is_tunnel_kind(link.kind) && (link.flags & IFF_UP) != 0);
}

std::optional<IpAddress> source_address(unsigned ifindex, address_family family,
                                        std::span<const AddressMessage> addresses,
                                        std::span<const IpAddress> node_addresses) {
    constexpr std::uint32_t unusable = IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED;
    std::optional<IpAddress> primary;
    std::optional<IpAddress> secondary;
    for (const AddressMessage& known : addresses) {
        if (known.ifindex != ifindex || known.address.family != family || (known.flags & unusable) != 0) {
            continue;
        }
        if (std::ranges::find(node_addresses, known.address) != node_addresses.end()) {
            return known.address;
        }
        if (known.scope != RT_SCOPE_UNIVERSE) {
            continue;
        }
        std::optional<IpAddress>& first = (known.flags & IFA_F_SECONDARY) == 0 ? primary : secondary;
        if (!first) {
            first = known.address;
        }
    }
    return primary ? primary : secondary;
}

Result<std::vector<ExternalDevice>> discover(const DeviceSelection& selection) {
    Result<Netlink> netlink = Netlink::open();
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    const auto links = read_links(*netlink);
    if (!links) {
        return std::unexpected(links.error());
    }
    const auto addresses = read_addresses(*netlink);
    if (!addresses) {
        return std::unexpected(addresses.error());
    }
    const auto default_routes = read_default_routes(*netlink);
    if (!default_routes) {
        return std::unexpected(default_routes.error());
    }
    const std::optional<XdpFeatures> features = read_xdp_features();

    std::vector<ExternalDevice> devices;
    for (const auto& [ifindex, link] : *links) {
        if (!is_external(link, *addresses, *default_routes, selection)) {
            continue;
        }
        ExternalDevice device{
            .ifindex = ifindex,
            .name = link.name,
            .kind = link.kind,
            .driver = driver_name(link.name),
            .mtu = link.mtu,
            .up = (link.flags & IFF_UP) != 0,
            .is_tunnel = is_tunnel_kind(link.kind),
            .has_link_layer = link.hardware == ARPHRD_ETHER,
            .ipv4 = source_address(ifindex, IPV4, *addresses, selection.node_addresses),
            .ipv6 = source_address(ifindex, IPV6, *addresses, selection.node_addresses),
        };
        if (features) {
            const auto found = features->find(ifindex);
            const std::uint64_t bits = found != features->end() ? found->second : 0;
            device.xdp_native = (bits & XDP_FEATURE_BASIC) != 0;
            device.xdp_transmit = (bits & XDP_FEATURE_TRANSMIT) != 0;
        } else {
            device.xdp_transmit = is_transmitting_driver(device.driver);
        }
        device.xdp_transmit = device.xdp_transmit && !device.is_tunnel;
        devices.push_back(std::move(device));
    }
    return devices;
}

}  // namespace shunt
