// SPDX-License-Identifier: Apache-2.0
#include "agent/network/change_judge.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>

#include "agent/network/devices.h"
#include "agent/network/neighbours.h"

namespace shunt {
namespace {

constexpr unsigned LINK_LOWER_UP = 1U << 16;  // IFF_LOWER_UP, which net/if.h lacks
constexpr unsigned LINK_FLAGS = IFF_UP | IFF_RUNNING | LINK_LOWER_UP;

// Absent neighbours are dropped beyond this; those present are bounded by the kernel's own gc_thresh3.
constexpr std::size_t MAX_KNOWN_NEIGHBOURS = 16384;

bool is_host_route(const RouteMessage& route) {
    return route.prefix == (route.destination.family == IPV4 ? 32 : 128) && route.type == RTN_UNICAST &&
           route.hops.size() == 1 && route.next_hop_object == 0;
}

template <typename T>
bool contains(const std::vector<T>& list, const T& value) {
    return std::ranges::find(list, value) != list.end();
}

}  // namespace

NetworkChange& NetworkChange::operator|=(const NetworkChange& other) {
    routes_moved |= other.routes_moved;
    devices_changed |= other.devices_changed;
    addresses_changed |= other.addresses_changed;
    neighbours_lost |= other.neighbours_lost;
    overrun |= other.overrun;
    return *this;
}

NetworkChange ChangeJudge::judge(const NetworkMessage& message) {
    return std::visit([this](const auto& known) { return on(known); }, message);
}

void ChangeJudge::forget() {
    links_.clear();
    addresses_.clear();
    neighbours_.clear();
    host_routes_.clear();
}

NetworkChange ChangeJudge::on(const LinkMessage& link) {
    const bool external = is_external(link.ifindex);
    if (link.deleted) {
        const auto on_link = [&link](const auto& entry) { return entry.first.first == link.ifindex; };
        std::erase_if(addresses_, on_link);
        std::erase_if(neighbours_, on_link);
        std::erase_if(host_routes_, [&link](const auto& entry) { return entry.second == link.ifindex; });
        links_.erase(link.ifindex);
        return {.routes_moved = external, .devices_changed = external};
    }
    // The kernel announces a link for much that is of no consequence, an attached XDP program for one.
    LinkMessage essence = link;
    essence.flags &= LINK_FLAGS;
    const auto [known, is_new] = links_.try_emplace(link.ifindex, essence);
    if (!is_new) {
        if (known->second == essence) {
            return {};
        }
        known->second = std::move(essence);
    }
    const bool may_become_external =
        watch_.names.empty() ? is_tunnel_kind(link.kind) : contains(watch_.names, link.name);
    return {.routes_moved = external, .devices_changed = external || may_become_external};
}

NetworkChange ChangeJudge::on(const AddressMessage& address) {
    const Key key{address.ifindex, address.address};
    if (address.deleted) {
        addresses_.erase(key);
    } else {
        // Each router advertisement announces the addresses it prolongs.
        const auto [known, is_new] = addresses_.try_emplace(key, address);
        if (!is_new) {
            if (known->second == address) {
                return {};
            }
            known->second = address;
        }
    }
    const bool matters = is_external(address.ifindex) || contains(watch_.node_addresses, address.address);
    return {.routes_moved = matters,
            .devices_changed = matters,
            .addresses_changed = !is_loopback_or_link_local(address.address)};
}

NetworkChange ChangeJudge::on(const RouteMessage& route) {
    if (route.cloned) {
        return {};
    }
    // Which route a replaced one was is known only if it was a pod's.
    const bool replaced_unknown = route.replaced && !is_pod(route.destination);
    if (is_host_route(route)) {
        if (!route.deleted) {
            host_routes_.insert_or_assign(route.destination, route.hops.front().ifindex);
        } else if (const auto known = host_routes_.find(route.destination);
                   known != host_routes_.end() && known->second == route.hops.front().ifindex) {
            host_routes_.erase(known);
        }
    }
    const bool is_default = route.prefix == 0 && route.type == RTN_UNICAST;
    return {.routes_moved = is_default || replaced_unknown || touches_external(route), .devices_changed = is_default};
}

NetworkChange ChangeJudge::on(const RuleMessage& rule) {
    // Some CNIs make rules per pod; these concern nobody's packets but that pod's.
    const bool of_a_pod =
        !rule.inverted && ((rule.source && is_pod(*rule.source)) || (rule.destination && is_pod(*rule.destination)));
    return {.routes_moved = !of_a_pod};
}

NetworkChange ChangeJudge::on(const NextHopMessage&) {
    return {.routes_moved = true};
}

NetworkChange ChangeJudge::on(const NeighbourMessage& neighbour) {
    const Key key{neighbour.ifindex, neighbour.address};
    const bool external = is_external(neighbour.ifindex);
    if (neighbour.deleted) {
        if (const auto known = neighbours_.find(key); known != neighbours_.end()) {
            known->second.present = false;
        }
        // `ip neigh del` takes the managed mark off before it announces the end; our signature stays.
        return {.neighbours_lost = external && neighbour.protocol == NEIGHBOUR_PROTOCOL};
    }
    if (neighbour.mac.empty()) {
        return {};  // unresolved or failed: recipes go on with the MAC they have
    }
    // A new neighbour is no change: without it no recipe could hold a MAC.
    const auto [known, is_new] = neighbours_.try_emplace(key);
    const bool moved = !is_new && known->second.mac != neighbour.mac;
    known->second = {.mac = neighbour.mac, .present = true};
    const bool dropped = is_new && neighbours_.size() > MAX_KNOWN_NEIGHBOURS && drop_absent_neighbours();
    return {.routes_moved = (moved && external) || dropped};
}

bool ChangeJudge::touches_external(const RouteMessage& route) const {
    const bool has_device = route.type == RTN_UNICAST || route.type == RTN_LOCAL || route.type == RTN_BROADCAST ||
                            route.type == RTN_MULTICAST || route.type == RTN_ANYCAST;
    return !has_device || route.hops.empty() || route.next_hop_object != 0 ||
           std::ranges::any_of(route.hops, [this](const RouteHop& hop) { return is_external(hop.ifindex); });
}

bool ChangeJudge::is_pod(const IpAddress& address) const {
    const auto known = host_routes_.find(address);
    return known != host_routes_.end() && !is_external(known->second);
}

// Recipes may hold a MAC that is forgotten here, so the epoch has to rise when there was any.
bool ChangeJudge::drop_absent_neighbours() {
    return std::erase_if(neighbours_, [](const auto& entry) { return !entry.second.present; }) != 0;
}

}  // namespace shunt
