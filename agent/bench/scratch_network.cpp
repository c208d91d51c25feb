// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/scratch_network.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>

#include <fstream>
#include <thread>

#include "agent/bench/scene.h"
#include "agent/network/netlink.h"

namespace shunt::bench {
namespace {

constexpr const char* kUplink = "uplink";
constexpr const char* kSpare = "spare";
constexpr const char* kOperation = "make a scratch network";

Status done(int error, const char* what, const Netlink& netlink) {
    if (error != 0) {
        return failure(kOperation, what, netlink.reason());
    }
    return {};
}

Status write_sysctl(const std::string& name, const char* value) {
    std::ofstream file("/proc/sys/net/" + name);
    file << value << std::flush;
    if (!file) {
        return failure(kOperation, "net/" + name, "it cannot be written");
    }
    return {};
}

// A veth pair, because every node with pods has that driver; the peer is only there to make it one.
Status add_device(Netlink& netlink, const char* name) {
    NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    request.body<ifinfomsg>();
    request.put_string(IFLA_IFNAME, name);
    mnl_attr_put(request.header(), IFLA_ADDRESS, kNodeMac.size(), kNodeMac.data());
    nlattr* info = mnl_attr_nest_start(request.header(), IFLA_LINKINFO);
    request.put_string(IFLA_INFO_KIND, "veth");
    mnl_attr_nest_end(request.header(), info);
    return done(netlink.request(request), name, netlink);
}

Status set_up(Netlink& netlink, unsigned ifindex) {
    NetlinkRequest request(RTM_NEWLINK, 0);
    auto& body = request.body<ifinfomsg>();
    body.ifi_index = static_cast<int>(ifindex);
    body.ifi_flags = body.ifi_change = IFF_UP;
    return done(netlink.request(request), "device, up", netlink);
}

Status add_address(Netlink& netlink, unsigned ifindex, const IpAddress& address, std::uint8_t prefix) {
    NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    auto& body = request.body<ifaddrmsg>();
    body.ifa_family = static_cast<std::uint8_t>(af_of(address.family));
    body.ifa_prefixlen = prefix;
    body.ifa_flags = IFA_F_NODAD;
    body.ifa_index = ifindex;
    request.put_address(IFA_LOCAL, address);
    request.put_address(IFA_ADDRESS, address);
    return done(netlink.request(request), "address", netlink);
}

Status add_neighbour(Netlink& netlink, unsigned ifindex, const IpAddress& address, const Mac& mac) {
    NetlinkRequest request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    auto& body = request.body<ndmsg>();
    body.ndm_family = static_cast<std::uint8_t>(af_of(address.family));
    body.ndm_ifindex = static_cast<int>(ifindex);
    body.ndm_state = NUD_PERMANENT;
    request.put_address(NDA_DST, address);
    mnl_attr_put(request.header(), NDA_LLADDR, mac.size(), mac.data());
    return done(netlink.request(request), "neighbour", netlink);
}

Status add_route(Netlink& netlink, unsigned ifindex, const IpAddress& network, std::uint8_t prefix,
                 const IpAddress& gateway) {
    NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    auto& body = request.body<rtmsg>();
    body.rtm_family = static_cast<std::uint8_t>(af_of(gateway.family));
    body.rtm_dst_len = prefix;
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_STATIC;
    body.rtm_scope = RT_SCOPE_UNIVERSE;
    body.rtm_type = RTN_UNICAST;
    if (prefix != 0) {
        request.put_address(RTA_DST, network);
    }
    request.put_address(RTA_GATEWAY, gateway);
    request.put_u32(RTA_OIF, ifindex);
    return done(netlink.request(request), "route", netlink);
}

// IPv6 routes want a carrier: both ends are up.
Status set_up_all(Netlink& netlink) {
    struct if_nameindex* all = if_nameindex();
    Status made;
    for (const struct if_nameindex* one = all; one != nullptr && one->if_index != 0 && made; one++) {
        made = set_up(netlink, one->if_index);
    }
    if_freenameindex(all);
    return made;
}

Status fill(Netlink& netlink, unsigned ifindex, const Scene& scene) {
    Status made = add_address(netlink, ifindex, scene.node, scene.link_prefix);
    if (made) {
        made = add_neighbour(netlink, ifindex, scene.router, kRouterMac);
    }
    if (made) {
        made = add_neighbour(netlink, ifindex, scene.other_node, kOtherNodeMac);
    }
    if (made) {
        made = add_route(netlink, ifindex, {}, 0, scene.router);
    }
    if (made) {
        made = add_route(netlink, ifindex, scene.remote_network, scene.remote_prefix, scene.other_node);
    }
    return made;
}

Status set_forwarding() {
    Status made = write_sysctl("ipv4/ip_forward", "1");
    return made ? write_sysctl("ipv6/conf/all/forwarding", "1") : made;
}

Result<ScratchNetwork> enter() {
    if (unshare(CLONE_NEWNET) != 0) {
        return failure_errno(kOperation, "namespace");
    }
    auto netlink = Netlink::open();
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    Status made = add_device(*netlink, kUplink);
    if (made) {
        made = set_forwarding();
    }
    if (made) {
        made = set_up_all(*netlink);
    }
    if (made) {
        made = add_device(*netlink, kSpare);
    }
    const ScratchNetwork network{.uplink = if_nametoindex(kUplink), .spare = if_nametoindex(kSpare)};
    for (const address_family family : {IPV4, IPV6}) {
        if (made) {
            made = fill(*netlink, network.uplink, scene(family));
        }
    }
    if (!made) {
        return std::unexpected(made.error());
    }
    return network;
}

}  // namespace

void in_scratch_network(const std::function<void(const Result<ScratchNetwork>& network)>& work) {
    std::thread([&] { work(enter()); }).join();
}

}  // namespace shunt::bench
