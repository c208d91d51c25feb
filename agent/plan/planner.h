// SPDX-License-Identifier: Apache-2.0
// From what the cluster says to what the maps shall hold. A pure function: no I/O, no clock. Its cost depends on
// the services that changed (and those that wait for a frontend they give up), never on how many there are.
//
// What a service is: one Service port of one address family, with all of its external frontends or with none:
// never half served. The families of a Service are those of its clusterIP, its EndpointSlices, its externalIPs
// and its ingress addresses; it has a NodePort on each address of --nodeport-addresses of these families.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/model/snapshot.h"
#include "agent/plan/gone_endpoint.h"
#include "agent/plan/map_state.h"
#include "agent/plan/node_port_addresses.h"
#include "agent/plan/operation.h"

namespace shunt {

struct PlanOptions {
    std::string node_name;               // the own Node
    std::set<IpAddress> snat_addresses;  // source addresses towards backends on other nodes
    std::uint16_t snat_port_min = 10240;
    std::uint16_t snat_port_max = 26623;  // inclusive
    // False while some manifest has never parsed since the start: what is known from the maps alone (services,
    // and backends of a service) stays. What the source named since the start and names no more goes either way.
    bool prune = false;
    NodePortAddresses node_port_addresses;
    // Of this node's devices, but for loopback and link-local ones. nullopt: not known yet, or no more (then those of the last
    // plan count). Until they are known nothing is done about them.
    std::optional<std::set<IpAddress>> device_addresses;
    std::vector<IpPrefix> cluster_ranges;  // --cluster-cidr
    std::uint64_t now_ns = 0;  // CLOCK_MONOTONIC
};

struct Plan {
    std::vector<MapOperation> operations;  // in the order in which they must be carried out
    std::set<GoneEndpoint> gone;           // whose flows go once the operations are in force
    std::vector<std::string> warnings;     // for people: "shop/x:80 is left to the stack: …"; each said once
    std::string waiting_for;               // not empty: nothing was planned for want of this
};

// The first plan of a `state`, and one after the node's addresses for NodePorts, its zone, the SNAT options or `prune`
// changed, covers all services, whatever `change` says. Without the own Node it does nothing, and the next one covers all.
Plan plan(const Snapshot& snapshot, const Change& change, const PlanOptions& options, MapState& state);

}  // namespace shunt
