// SPDX-License-Identifier: Apache-2.0
#include "agent/network/routes.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace shunt {

Status dump_routes(Netlink& netlink, const std::function<void(const RouteMessage&)>& visit) {
    for (const int af : {AF_INET, AF_INET6}) {
        NetlinkRequest request(RTM_GETROUTE, 0);
        request.body<rtmsg>().rtm_family = static_cast<unsigned char>(af);
        const int error = netlink.dump(request, [&visit](const nlmsghdr& message) {
            if (const auto route = parse_as<RouteMessage>(message); route && !route->cloned) {
                visit(*route);
            }
        });
        if (error != 0) {
            return failure("read routes", af == AF_INET ? "IPv4" : "IPv6", netlink.reason());
        }
    }
    return {};
}

std::optional<RouteHop> route_to(Netlink& netlink, const IpAddress& address) {
    NetlinkRequest request(RTM_GETROUTE, 0);
    rtmsg& body = request.body<rtmsg>();
    body.rtm_family = static_cast<unsigned char>(af_of(address.family));
    body.rtm_dst_len = address.family == IPV4 ? 32 : 128;
    request.put_address(RTA_DST, address);
    std::optional<RouteHop> hop;
    netlink.request(request, [&hop](const nlmsghdr& message) {
        const auto route = parse_as<RouteMessage>(message);
        if (route && route->type == RTN_UNICAST && route->hops.size() == 1) {
            hop = route->hops.front();
        }
    });
    return hop;
}

}  // namespace shunt
