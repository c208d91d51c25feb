// SPDX-License-Identifier: Apache-2.0
#include "agent/network/neighbours.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "agent/network/netlink.h"
#include "agent/network/routes.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

using NeighbourTable = std::map<Neighbour, NeighbourEntry>;

bool is_managed(const NeighbourEntry& entry) {
    return (entry.extended & NTF_EXT_MANAGED) != 0;
}
bool is_ours(const NeighbourEntry& entry) {
    return is_managed(entry) && entry.protocol == NEIGHBOUR_PROTOCOL;
}

Result<NeighbourTable> read_neighbours(Netlink& netlink) {
    NetlinkRequest request(RTM_GETNEIGH, 0);
    request.body<ndmsg>();
    NeighbourTable table;
    const int error = netlink.dump(request, [&table](const nlmsghdr& message) {
        if (const auto known = parse_as<NeighbourMessage>(message)) {
            table[{known->ifindex, known->address}] = {known->state, known->flags, known->extended, known->protocol};
        }
    });
    if (error != 0) {
        return failure("read neighbours", "", netlink.reason());
    }
    return table;
}

// An update with NTF_USE or NTF_EXT_MANAGED leaves state and MAC of an existing entry alone, and the managed mark
// becomes what the request says (Linux __neigh_update): so NTF_USE alone takes it off.
int set_managed(Netlink& netlink, const Neighbour& neighbour, bool managed) {
    NetlinkRequest request(RTM_NEWNEIGH, managed ? NLM_F_CREATE | NLM_F_REPLACE : NLM_F_REPLACE);
    ndmsg& body = request.body<ndmsg>();
    body.ndm_family = static_cast<std::uint8_t>(af_of(neighbour.address.family));
    body.ndm_ifindex = static_cast<int>(neighbour.ifindex);
    body.ndm_flags = managed ? 0 : NTF_USE;
    request.put_address(NDA_DST, neighbour.address);
    if (managed) {
        request.put_u8(NDA_PROTOCOL, NEIGHBOUR_PROTOCOL);
        request.put_u32(NDA_FLAGS_EXT, NTF_EXT_MANAGED);
    }
    return netlink.request(request);
}

// Puts the entry into the state in which the kernel asks it again. Without NLM_F_REPLACE its MAC and router flag stay;
// the managed mark does not, so it is set again.
void ask_again(Netlink& netlink, const Neighbour& neighbour) {
    NetlinkRequest request(RTM_NEWNEIGH, 0);
    ndmsg& body = request.body<ndmsg>();
    body.ndm_family = static_cast<std::uint8_t>(af_of(neighbour.address.family));
    body.ndm_ifindex = static_cast<int>(neighbour.ifindex);
    body.ndm_state = NUD_PROBE;
    request.put_address(NDA_DST, neighbour.address);
    netlink.request(request);
    set_managed(netlink, neighbour, true);
}

bool resolves_neighbours(Netlink& netlink, unsigned ifindex) {
    NetlinkRequest request(RTM_GETLINK, 0);
    request.body<ifinfomsg>().ifi_index = static_cast<int>(ifindex);
    bool resolves = false;
    netlink.request(request, [&resolves](const nlmsghdr& message) {
        if (const auto link = parse_as<LinkMessage>(message)) {
            resolves = link->hardware == ARPHRD_ETHER && (link->flags & IFF_NOARP) == 0;
        }
    });
    return resolves;
}

// The destinations that some route of some table says are on the link. Only for an address within one of them is the
// kernel asked: with a hundred thousand pods behind gateways that would take it a third of a second.
class OnLinkPrefixes {
public:
    void add(const RouteMessage& route) {
        prefixes_[{route.destination.family, route.prefix}].insert(network_of(route.destination, route.prefix));
    }
    bool contain(const IpAddress& address) const {
        return std::ranges::any_of(prefixes_, [&](const auto& of_length) {
            const auto& [family, length] = of_length.first;
            return family == address.family && of_length.second.contains(network_of(address, length));
        });
    }

private:
    static IpAddress network_of(IpAddress address, unsigned length) {
        for (std::size_t i = 0; i < address.octets.size(); i++, length -= std::min(length, 8U)) {
            address.octets[i] &= static_cast<std::uint8_t>(0xff00U >> std::min(length, 8U));
        }
        return address;
    }

    std::map<std::pair<address_family, unsigned>, std::set<IpAddress>> prefixes_;  // by family and length
};

Status read_routes(std::set<Neighbour>& wanted, OnLinkPrefixes& on_link, Netlink& netlink, const std::set<unsigned>& external) {
    return dump_routes(netlink, [&](const RouteMessage& route) {
        // The hops of a next hop object may be left out.
        bool is_on_link = route.hops.empty() && route.next_hop_object != 0;
        for (const RouteHop& hop : route.hops) {
            if (!external.contains(hop.ifindex)) {
                continue;
            }
            is_on_link = is_on_link || !hop.gateway;
            if (hop.gateway) {
                wanted.insert({hop.ifindex, *hop.gateway});
            }
        }
        if (is_on_link && route.type == RTN_UNICAST) {
            on_link.add(route);
        }
    });
}

std::size_t on_link_limit(address_family family) {
    constexpr std::size_t default_threshold = 1024;  // the file exists in the initial namespace only
    std::ifstream file(std::string("/proc/sys/net/") + (family == IPV4 ? "ipv4" : "ipv6") +
                       "/neigh/default/gc_thresh3");
    std::size_t threshold = 0;
    if (!(file >> threshold)) {
        threshold = default_threshold;
    }
    return std::min(threshold / 2, MAX_ON_LINK_NEIGHBOURS);
}

// Returns how many targets the bound cut off.
std::size_t add_on_link(std::set<Neighbour>& wanted, Netlink& netlink, const std::set<unsigned>& external,
                        const OnLinkPrefixes& on_link, std::span<const IpAddress> targets) {
    std::size_t room4 = on_link_limit(IPV4);
    std::size_t room6 = on_link_limit(IPV6);
    std::size_t cut = 0;
    for (const IpAddress& target : targets) {
        if (!on_link.contain(target)) {
            continue;
        }
        std::size_t& room = target.family == IPV4 ? room4 : room6;
        if (room == 0) {
            ++cut;
            continue;
        }
        const std::optional<RouteHop> hop = route_to(netlink, target);
        if (hop && !hop->gateway && external.contains(hop->ifindex)) {
            room -= wanted.insert({hop->ifindex, target}).second ? 1 : 0;
        }
    }
    return cut;
}

}  // namespace

NeighbourPlan plan_neighbours(const std::set<Neighbour>& wanted, const std::map<Neighbour, NeighbourEntry>& current) {
    NeighbourPlan plan;
    for (const Neighbour& neighbour : wanted) {
        const auto found = current.find(neighbour);
        if (found == current.end()) {
            plan.manage.push_back(neighbour);
            continue;
        }
        const NeighbourEntry& entry = found->second;
        const bool is_fixed = (entry.state & (NUD_PERMANENT | NUD_NOARP)) != 0 || (entry.flags & NTF_EXT_LEARNED) != 0;
        if (!is_fixed && !is_managed(entry)) {
            plan.manage.push_back(neighbour);
        }
    }
    for (const auto& [neighbour, entry] : current) {
        if (is_ours(entry) && !wanted.contains(neighbour)) {
            plan.release.push_back(neighbour);
        }
    }
    return plan;
}

Result<NeighbourReport> ManagedNeighbours::reconcile(const std::set<unsigned>& external,
                                                     std::span<const IpAddress> targets) {
    Result<Netlink> netlink = Netlink::open();
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    std::set<unsigned> devices = external;
    std::erase_if(devices, [&netlink](unsigned ifindex) { return !resolves_neighbours(*netlink, ifindex); });
    std::set<Neighbour> wanted;
    OnLinkPrefixes on_link;
    if (Status status = read_routes(wanted, on_link, *netlink, devices); !status) {
        return std::unexpected(status.error());
    }
    const std::size_t cut = add_on_link(wanted, *netlink, devices, on_link, targets);
    if (cut != 0 && !warned_cut_) {
        warned_cut_ = true;
        log::warn(
            "{} of {} nodes and backends are left to ordinary neighbour resolution: the kernel's neighbour table "
            "is too small to keep all resolved (sysctl net.ipv4.neigh.default.gc_thresh3, "
            "net.ipv6.neigh.default.gc_thresh3; at most {} are kept)",
            cut, targets.size(), MAX_ON_LINK_NEIGHBOURS);
    }
    const auto current = read_neighbours(*netlink);
    if (!current) {
        return std::unexpected(current.error());
    }
    const NeighbourPlan plan = plan_neighbours(wanted, *current);
    NeighbourReport report{.wanted = wanted.size(), .cut = cut};
    for (const Neighbour& neighbour : plan.manage) {
        const int error = set_managed(*netlink, neighbour, true);
        if (error == 0) {
            ++report.managed;
            continue;
        }
        ++report.refused;
        if (!warned_refused_) {
            warned_refused_ = true;
            log::warn(
                "the kernel does not keep {} resolved: {}; a next hop whose MAC changes may be unreachable for "
                "half a minute",
                neighbour.address.to_string(),
                error == ENOBUFS ? "its neighbour table is full, raise net.ipv{4,6}.neigh.default.gc_thresh3"
                                 : netlink->reason());
        }
    }
    for (const Neighbour& neighbour : plan.release) {
        report.released += set_managed(*netlink, neighbour, false) == 0 ? 1 : 0;
    }
    return report;
}

Status ManagedNeighbours::probe(const std::set<unsigned>& external, std::size_t most) {
    Result<Netlink> netlink = Netlink::open();
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    const auto current = read_neighbours(*netlink);
    if (!current) {
        return std::unexpected(current.error());
    }
    std::vector<Neighbour> confirmed;
    for (const auto& [neighbour, entry] : *current) {
        if (!is_ours(entry) || !external.contains(neighbour.ifindex)) {
            continue;
        }
        if ((entry.state & NUD_FAILED) != 0) {
            set_managed(*netlink, neighbour, true);  // begins to resolve at once, not at the kernel's next interval
        } else if ((entry.state & (NUD_REACHABLE | NUD_STALE)) != 0) {
            confirmed.push_back(neighbour);
        }
    }
    const auto next = std::upper_bound(confirmed.begin(), confirmed.end(), last_probed_);
    std::rotate(confirmed.begin(), next, confirmed.end());
    for (const Neighbour& neighbour : std::span(confirmed).first(std::min(most, confirmed.size()))) {
        ask_again(*netlink, neighbour);
        last_probed_ = neighbour;
    }
    return {};
}

Status ManagedNeighbours::release_all() {
    Result<Netlink> netlink = Netlink::open();
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    const auto current = read_neighbours(*netlink);
    if (!current) {
        return std::unexpected(current.error());
    }
    for (const Neighbour& neighbour : plan_neighbours({}, *current).release) {
        const int error = set_managed(*netlink, neighbour, false);
        if (error != 0 && error != ENOENT) {
            return failure("release neighbour", neighbour.address.to_string(), netlink->reason());
        }
    }
    return {};
}

}  // namespace shunt
