// SPDX-License-Identifier: Apache-2.0
// Which network events matter: a raised route epoch makes every flow ask the FIB once more, so it is raised for
// what touches an external device, and not for pods that come and go or for neighbours that merely change their
// state (18 events in 32 s for a single neighbour). Pure: fed with parsed messages, no I/O.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/ip_address.h"
#include "agent/network/message.h"

namespace shunt {

struct NetworkChange {
    bool routes_moved = false;     // raise the route epoch, and ManagedNeighbours::reconcile()
    bool devices_changed = false;  // discover() again
    bool addresses_changed = false;  // device_addresses() again
    bool neighbours_lost = false;  // an entry of ours was deleted: reconcile() within seconds
    bool overrun = false;          // events were lost; all the others are set with it

    bool any() const { return routes_moved || devices_changed || addresses_changed || neighbours_lost || overrun; }
    NetworkChange& operator|=(const NetworkChange& other);
    bool operator==(const NetworkChange&) const = default;
};

struct Watch {
    std::set<unsigned> external;            // ifindexes of the external devices
    std::vector<IpAddress> node_addresses;  // whoever gets one of these becomes external
    std::vector<std::string> names;         // `--device`; not empty: rules make nothing external
};

class ChangeJudge {
public:
    void watch(Watch watch) { watch_ = std::move(watch); }

    NetworkChange judge(const NetworkMessage& message);

    // Before everything is read anew, after events were lost.
    void forget();

private:
    NetworkChange on(const LinkMessage& link);
    NetworkChange on(const AddressMessage& address);
    NetworkChange on(const RouteMessage& route);
    NetworkChange on(const RuleMessage& rule);
    NetworkChange on(const NextHopMessage& next_hop);
    NetworkChange on(const NeighbourMessage& neighbour);

    bool is_external(unsigned ifindex) const { return watch_.external.contains(ifindex); }
    bool touches_external(const RouteMessage& route) const;
    bool is_pod(const IpAddress& address) const;
    bool drop_absent_neighbours();

    struct Known {
        std::string mac;  // the last one: recipes may hold it long after the entry is gone
        bool present = false;
    };
    using Key = std::pair<unsigned, IpAddress>;

    Watch watch_;
    std::map<unsigned, LinkMessage> links_;
    std::map<Key, AddressMessage> addresses_;
    std::map<Key, Known> neighbours_;
    std::map<IpAddress, unsigned> host_routes_;  // /32 and /128 by one device -> its ifindex
};

}  // namespace shunt
