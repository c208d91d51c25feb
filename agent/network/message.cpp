// SPDX-License-Identifier: Apache-2.0
#include "agent/network/message.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

#include "agent/network/netlink.h"

namespace shunt {
namespace {

bool is_ip(int af) {
    return af == AF_INET || af == AF_INET6;
}

std::string octets_of(const nlattr* attribute) {
    if (attribute == nullptr) {
        return {};
    }
    return {static_cast<const char*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)};
}

template <typename T>
const T* body_of(const nlmsghdr& message) {
    return mnl_nlmsg_get_payload_len(&message) < sizeof(T) ? nullptr
                                                           : static_cast<const T*>(mnl_nlmsg_get_payload(&message));
}

std::optional<NetworkMessage> parse_link(const nlmsghdr& message) {
    const auto* body = body_of<ifinfomsg>(message);
    // AF_BRIDGE speaks of a port's membership: its "deleted" doesn't mean that the device is gone.
    if (body == nullptr || body->ifi_family != AF_UNSPEC) {
        return std::nullopt;
    }
    const Attributes attributes = parse_attributes(message, sizeof(*body), IFLA_LINK_NETNSID);
    LinkMessage link{
        .deleted = message.nlmsg_type == RTM_DELLINK,
        .ifindex = static_cast<unsigned>(body->ifi_index),
        .name = string_of(attributes[IFLA_IFNAME]),
        .mtu = u32_of(attributes[IFLA_MTU]),
        .flags = body->ifi_flags,
        .hardware = body->ifi_type,
        .mac = octets_of(attributes[IFLA_ADDRESS]),
        .master = u32_of(attributes[IFLA_MASTER]),
        .peer_is_here = attributes[IFLA_LINK] != nullptr && attributes[IFLA_LINK_NETNSID] == nullptr,
    };
    if (attributes[IFLA_LINKINFO] != nullptr) {
        link.kind = string_of(parse_nested(*attributes[IFLA_LINKINFO], IFLA_INFO_KIND)[IFLA_INFO_KIND]);
    }
    return link;
}

std::optional<NetworkMessage> parse_address(const nlmsghdr& message) {
    const auto* body = body_of<ifaddrmsg>(message);
    if (body == nullptr || !is_ip(body->ifa_family)) {
        return std::nullopt;
    }
    const Attributes attributes = parse_attributes(message, sizeof(*body), IFA_FLAGS);
    // On a point-to-point device IFA_ADDRESS is the other end's.
    std::optional<IpAddress> address = address_of(attributes[IFA_LOCAL], body->ifa_family);
    if (!address) {
        address = address_of(attributes[IFA_ADDRESS], body->ifa_family);
    }
    if (!address) {
        return std::nullopt;
    }
    return AddressMessage{
        .deleted = message.nlmsg_type == RTM_DELADDR,
        .ifindex = body->ifa_index,
        .address = *address,
        .prefix = body->ifa_prefixlen,
        .scope = body->ifa_scope,
        .flags = attributes[IFA_FLAGS] != nullptr ? u32_of(attributes[IFA_FLAGS]) : body->ifa_flags,
    };
}

std::optional<IpAddress> gateway_of(const Attributes& attributes, int af) {
    if (const nlattr* via = attributes[RTA_VIA]; via != nullptr) {
        const std::size_t size = mnl_attr_get_payload_len(via);
        const auto* value = static_cast<const rtvia*>(mnl_attr_get_payload(via));
        if (size == sizeof(rtvia) + ADDRESS_SIZE && value->rtvia_family == AF_INET6) {
            IpAddress gateway{.family = IPV6};
            std::memcpy(gateway.octets.data(), value->rtvia_addr, ADDRESS_SIZE);
            return gateway;
        }
        return std::nullopt;
    }
    return address_of(attributes[RTA_GATEWAY], af);
}

std::vector<RouteHop> hops_of(const nlattr& multipath, int af) {
    std::vector<RouteHop> hops;
    const auto* at = static_cast<const char*>(mnl_attr_get_payload(&multipath));
    std::size_t left = mnl_attr_get_payload_len(&multipath);
    while (left >= sizeof(rtnexthop)) {
        const auto* hop = reinterpret_cast<const rtnexthop*>(at);
        if (hop->rtnh_len < sizeof(rtnexthop) || hop->rtnh_len > left) {
            break;
        }
        Attributes attributes(RTA_VIA + 1U, nullptr);
        const auto collect = [](const nlattr* attribute, void* data) -> int {
            if (mnl_attr_get_type(attribute) <= RTA_VIA) {
                (*static_cast<Attributes*>(data))[mnl_attr_get_type(attribute)] = attribute;
            }
            return MNL_CB_OK;
        };
        mnl_attr_parse_payload(at + sizeof(rtnexthop), hop->rtnh_len - sizeof(rtnexthop), collect, &attributes);
        hops.push_back({static_cast<unsigned>(hop->rtnh_ifindex), gateway_of(attributes, af)});
        const std::size_t step = RTNH_ALIGN(hop->rtnh_len);
        at += step;
        left -= step < left ? step : left;
    }
    return hops;
}

std::optional<NetworkMessage> parse_route(const nlmsghdr& message) {
    const auto* body = body_of<rtmsg>(message);
    if (body == nullptr || !is_ip(body->rtm_family)) {
        return std::nullopt;
    }
    const int af = body->rtm_family;
    const Attributes attributes = parse_attributes(message, sizeof(*body), RTA_NH_ID);
    RouteMessage route{
        .deleted = message.nlmsg_type == RTM_DELROUTE,
        .replaced = message.nlmsg_type == RTM_NEWROUTE && (message.nlmsg_flags & NLM_F_REPLACE) != 0,
        .cloned = (body->rtm_flags & RTM_F_CLONED) != 0,
        .type = body->rtm_type,
        .destination = address_of(attributes[RTA_DST], af).value_or(IpAddress{.family = af == AF_INET ? IPV4 : IPV6}),
        .prefix = body->rtm_dst_len,
        .next_hop_object = u32_of(attributes[RTA_NH_ID]),
    };
    if (attributes[RTA_MULTIPATH] != nullptr) {
        route.hops = hops_of(*attributes[RTA_MULTIPATH], af);
    } else if (attributes[RTA_OIF] != nullptr) {
        route.hops.push_back({u32_of(attributes[RTA_OIF]), gateway_of(attributes, af)});
    }
    return route;
}

std::optional<NetworkMessage> parse_rule(const nlmsghdr& message) {
    const auto* body = body_of<fib_rule_hdr>(message);
    if (body == nullptr || !is_ip(body->family)) {
        return std::nullopt;
    }
    const Attributes attributes = parse_attributes(message, sizeof(*body), FRA_SRC);
    const std::uint8_t whole = body->family == AF_INET ? 32 : 128;
    RuleMessage rule{.inverted = (body->flags & FIB_RULE_INVERT) != 0};
    if (body->src_len == whole) {
        rule.source = address_of(attributes[FRA_SRC], body->family);
    }
    if (body->dst_len == whole) {
        rule.destination = address_of(attributes[FRA_DST], body->family);
    }
    return rule;
}

std::optional<NetworkMessage> parse_neighbour(const nlmsghdr& message) {
    const auto* body = body_of<ndmsg>(message);
    if (body == nullptr || !is_ip(body->ndm_family) || (body->ndm_flags & NTF_PROXY) != 0) {
        return std::nullopt;
    }
    const Attributes attributes = parse_attributes(message, sizeof(*body), NDA_FLAGS_EXT);
    const std::optional<IpAddress> address = address_of(attributes[NDA_DST], body->ndm_family);
    if (!address) {
        return std::nullopt;
    }
    return NeighbourMessage{
        .deleted = message.nlmsg_type == RTM_DELNEIGH,
        .ifindex = static_cast<unsigned>(body->ndm_ifindex),
        .address = *address,
        .mac = octets_of(attributes[NDA_LLADDR]),
        .state = body->ndm_state,
        .flags = body->ndm_flags,
        .extended = u32_of(attributes[NDA_FLAGS_EXT]),
        .protocol = u8_of(attributes[NDA_PROTOCOL]),
    };
}

}  // namespace

std::optional<NetworkMessage> parse_message(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return parse_link(message);
        case RTM_NEWADDR:
        case RTM_DELADDR:
            return parse_address(message);
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
            return parse_route(message);
        case RTM_NEWRULE:
        case RTM_DELRULE:
            return parse_rule(message);
        case RTM_NEWNEXTHOP:
        case RTM_DELNEXTHOP:
            return NextHopMessage{};
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
            return parse_neighbour(message);
        default:
            return std::nullopt;
    }
}

}  // namespace shunt
