// SPDX-License-Identifier: Apache-2.0
// Managed neighbours. XDP traffic keeps no neighbour entry alive, so the kernel is told to keep those resolved that
// flows depend on (NTF_EXT_MANAGED, Linux 5.16): the gateways of all routes by external devices, and the nodes and
// backends that are on the link.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "agent/model/ip_address.h"
#include "agent/support/result.h"

namespace shunt {

struct Neighbour {
    unsigned ifindex = 0;
    IpAddress address;
    auto operator<=>(const Neighbour&) const = default;
};

struct NeighbourEntry {
    std::uint16_t state = 0;     // NUD_*
    std::uint8_t flags = 0;      // NTF_*
    std::uint32_t extended = 0;  // NTF_EXT_*
    std::uint8_t protocol = 0;   // who made it
    bool operator==(const NeighbourEntry&) const = default;
};

// Our signature in an entry (NDA_PROTOCOL, shown as `proto 83`): how the agent knows its own after a restart.
inline constexpr std::uint8_t NEIGHBOUR_PROTOCOL = 83;

// On-link targets of a family beyond this many, or beyond half of the kernel's gc_thresh3, are left to ordinary
// resolution: the kernel counts the neighbours of all namespaces together and refuses every new one, a pod's too,
// when they are gc_thresh3 (1024 by default; tried).
inline constexpr std::size_t MAX_ON_LINK_NEIGHBOURS = 1024;

struct NeighbourPlan {
    std::vector<Neighbour> manage;
    std::vector<Neighbour> release;  // entries with our signature that nobody needs any more
    bool operator==(const NeighbourPlan&) const = default;
};

// Pure. Entries that are permanent, NOARP, learned from a control plane or managed already are left as they are.
NeighbourPlan plan_neighbours(const std::set<Neighbour>& wanted, const std::map<Neighbour, NeighbourEntry>& current);

struct NeighbourReport {
    std::size_t wanted = 0;
    std::size_t cut = 0;       // targets left out because of the bound
    std::size_t managed = 0;   // set by this call
    std::size_t released = 0;  // by this call
    std::size_t refused = 0;   // by the kernel, this time
};

class ManagedNeighbours {
public:
    // Idempotent: the kernel's table is the only memory. `external`: ifindexes; devices that resolve no neighbours
    // (WireGuard, IP tunnels) may be among them. `targets`: other nodes' addresses first, then remote backends', in a
    // stable order. The kernel is asked for the route of each that may be on the link, so callers gather changes before they call. A refusal
    // is no error: one warning, then it is only counted.
    Result<NeighbourReport> reconcile(const std::set<unsigned>& external, std::span<const IpAddress> targets);

    // Makes the kernel ask some of our entries whether they are still there: `most` at a time, in turn. An entry that
    // was confirmed is believed for 15 to 45 s (base_reachable_time), and so long would frames go to a MAC address
    // that is nobody's any more; asked, it is found out after three unanswered probes, a second each.
    Status probe(const std::set<unsigned>& external, std::size_t most);

    // Takes our mark off all entries: for uninstalling, not for a restart.
    Status release_all();

private:
    Neighbour last_probed_;
    bool warned_refused_ = false;
    bool warned_cut_ = false;
};

}  // namespace shunt
