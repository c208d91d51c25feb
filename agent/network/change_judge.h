// SPDX-License-Identifier: Apache-2.0
// Which network events matter: a raised route epoch makes every flow ask the FIB once more, so it is raised for
// what touches an external device, and not for pods that come and go or for neighbours that merely change their
// state (18 events in 32 s for a single neighbour). Pure: fed with parsed events, no I/O.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/model/ip_address.h"

namespace shunt {

struct NetworkChange {
    bool routes_moved = false;     // raise the route epoch, then ManagedNeighbours::reconcile()
    bool devices_changed = false;  // discover() again
    bool neighbours_lost = false;  // a managed entry was deleted: reconcile() within some seconds
    bool overrun = false;          // events were lost; the others are set to match

    bool any() const { return routes_moved || devices_changed || neighbours_lost || overrun; }
    NetworkChange& operator|=(const NetworkChange& other);
    bool operator==(const NetworkChange&) const = default;
};

struct Watch {
    std::set<unsigned> external;            // ifindexes of the external devices
    std::vector<IpAddress> node_addresses;  // whoever gets one of these becomes external
    std::vector<std::string> names;         // `--device`
};

struct LinkEvent {
    bool deleted = false;
    unsigned ifindex = 0;
    std::string name;
    std::string kind;
    std::uint32_t mtu = 0;
    bool up = false;       // administratively
    bool carrier = false;
    std::string mac;       // octets; empty without a link layer
    unsigned master = 0;   // ifindex; 0: none
    bool operator==(const LinkEvent&) const = default;
};

struct AddressEvent {
    bool deleted = false;
    unsigned ifindex = 0;
    IpAddress address;
    std::uint8_t prefix = 0;
    std::uint8_t scope = 0;
    std::uint32_t flags = 0;  // IFA_F_*
    bool operator==(const AddressEvent&) const = default;
};

struct RouteEvent {
    bool deleted = false;
    bool replaced = false;  // the route took the place of another one, of which nothing is said
    IpAddress destination;
    std::uint8_t prefix = 0;
    std::vector<unsigned> devices;  // of all hops; empty for blackholes and the like
    bool next_hop_object = false;
};

struct RuleEvent {
    std::optional<IpAddress> source;       // only if the rule names exactly one address
    std::optional<IpAddress> destination;  // likewise
    bool inverted = false;                 // matches everything but these
};

struct NextHopEvent {};

struct NeighbourEvent {
    bool deleted = false;
    unsigned ifindex = 0;
    IpAddress address;
    std::string mac;       // octets; empty while unresolved
    bool managed = false;  // NTF_EXT_MANAGED
};

using NetworkEvent = std::variant<LinkEvent, AddressEvent, RouteEvent, RuleEvent, NextHopEvent, NeighbourEvent>;

class ChangeJudge {
public:
    void watch(Watch watch) { watch_ = std::move(watch); }

    NetworkChange judge(const NetworkEvent& event);

    // Takes the event in as known, without a verdict: for the first reading, and for the one after an overrun.
    void learn(const NetworkEvent& event) { judge(event); }
    void forget();

private:
    NetworkChange on(const LinkEvent& event);
    NetworkChange on(const AddressEvent& event);
    NetworkChange on(const RouteEvent& event);
    NetworkChange on(const RuleEvent& event);
    NetworkChange on(const NextHopEvent& event);
    NetworkChange on(const NeighbourEvent& event);
    bool is_external(unsigned ifindex) const { return watch_.external.contains(ifindex); }

    struct Neighbour {
        std::string mac;  // the last one known: recipes may hold it long after the entry has gone
        bool present = false;
    };
    using AddressKey = std::pair<unsigned, IpAddress>;

    Watch watch_;
    std::map<unsigned, LinkEvent> links_;
    std::map<AddressKey, AddressEvent> addresses_;
    std::map<AddressKey, Neighbour> neighbours_;
    std::set<IpAddress> pods_;  // destinations of host routes by devices that are not external
};

}  // namespace shunt
