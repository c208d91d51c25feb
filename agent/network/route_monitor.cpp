// SPDX-License-Identifier: Apache-2.0
#include "agent/network/route_monitor.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "agent/network/netlink.h"
#include "agent/network/routes.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

constexpr int GROUPS[] = {
    RTNLGRP_LINK,       RTNLGRP_NEIGH,     RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
    RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,   RTNLGRP_NEXTHOP,
};

// Room for some 10,000 events: a routing daemon that loads a table while the agent is busy.
constexpr int RECEIVE_BUFFER = 8 * 1024 * 1024;
constexpr std::size_t READ_SIZE = std::size_t{64} * 1024;

template <typename Body>
int dump_into(ChangeJudge& judge, Netlink& netlink, std::uint16_t type) {
    NetlinkRequest request(type, 0);
    request.body<Body>();
    if (type == RTM_GETLINK) {
        request.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    }
    return netlink.dump(request, [&judge](const nlmsghdr& message) {
        if (const auto known = parse_message(message)) {
            judge.judge(*known);
        }
    });
}

}  // namespace

RouteMonitor::RouteMonitor(Fd fd) : fd_(std::move(fd)), buffer_(READ_SIZE) {}

Result<RouteMonitor> RouteMonitor::open() {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!fd) {
        return failure_errno("open netlink socket", "");
    }
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &RECEIVE_BUFFER, sizeof(RECEIVE_BUFFER)) != 0) {
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &RECEIVE_BUFFER, sizeof(RECEIVE_BUFFER));
    }
    sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return failure_errno("bind netlink socket", "");
    }
    for (const int group : GROUPS) {
        if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
            return failure_errno("subscribe to network changes", "group " + std::to_string(group));
        }
    }
    RouteMonitor monitor(std::move(fd));
    if (Status status = monitor.read_all(); !status) {
        return std::unexpected(status.error());
    }
    return monitor;
}

Status RouteMonitor::read_all() {
    Result<Netlink> netlink = Netlink::open();
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    judge_.forget();
    if (dump_into<ifinfomsg>(judge_, *netlink, RTM_GETLINK) != 0 ||
        dump_into<ifaddrmsg>(judge_, *netlink, RTM_GETADDR) != 0 ||
        dump_into<ndmsg>(judge_, *netlink, RTM_GETNEIGH) != 0) {
        return failure("read links, addresses and neighbours", "", netlink->reason());
    }
    return dump_routes(*netlink, [this](const RouteMessage& route) { judge_.judge(route); });
}

Result<NetworkChange> RouteMonitor::on_readable() {
    NetworkChange change;
    while (true) {
        const ssize_t received = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
        if (received >= 0) {
            const auto size = static_cast<std::size_t>(received);
            change.overrun |= size > buffer_.size();
            change |= judge_buffer(std::min(size, buffer_.size()));
        } else if (errno == ENOBUFS) {
            change.overrun = true;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            return failure_errno("read network changes", "");
        }
    }
    if (change.overrun) {
        log::warn("network changes came faster than they were read: everything is read anew");
        change.routes_moved = change.devices_changed = change.addresses_changed = change.neighbours_lost = true;
        if (Status status = read_all(); !status) {
            return std::unexpected(status.error());
        }
    }
    return change;
}

NetworkChange RouteMonitor::judge_buffer(std::size_t size) {
    NetworkChange change;
    int left = static_cast<int>(size);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        if (const auto known = parse_message(*message)) {
            change |= judge_.judge(*known);
        }
    }
    return change;
}

}  // namespace shunt
