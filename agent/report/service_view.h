// SPDX-License-Identifier: Apache-2.0
// The maps of the slow path joined to what people call a Service port: both address families in one row.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/report/pinned_maps.h"
#include "agent/report/words.h"

namespace shunt {

struct FlowCounts {
    std::map<std::uint32_t, std::uint64_t> by_service;
    std::map<std::uint32_t, std::uint64_t> by_backend;
    std::uint64_t total = 0;
};

struct FrontendRow {
    frontend_kind kind;
    AddressPort at;
};

struct BackendRow {
    AddressPort at;
    std::string node;  // empty: unknown
    backend_placement placement;
    backend_state state;
    double share = 0;        // of new flows of its family, 0 to 1; with policy Local of those from outside the cluster
    bool is_usable = false;  // it takes new flows of somebody
    std::uint64_t flows = 0;
    std::string note;  // why it takes no new flows, or takes some though it is going
};

// One entry of `services`: a Service port of one family.
struct FamilyRow {
    std::uint32_t id;
    address_family family;
    service_treatment treatment;
    traffic_policy policy;
    bool has_slots = false;        // somebody has an endpoint
    bool has_local_slots = false;  // with policy Local, clients from outside the cluster have
    unsigned ready = 0;
    unsigned usable = 0;  // take new flows
    unsigned local = 0;   // of those, on this node
    unsigned total = 0;
};

struct ServiceRow {
    std::string name_space;
    std::string name;
    std::string port_name;  // empty: unnamed
    std::uint16_t port;
    l4_protocol protocol;
    service_type type;
    std::uint16_t node_port;  // 0: none
    std::vector<FamilyRow> families;
    std::vector<FrontendRow> frontends;
    std::vector<BackendRow> backends;
    std::uint64_t flows = 0;
    std::uint64_t flows_opened = 0;  // since the service is known
    std::uint64_t drops = 0;
    std::uint64_t rescued = 0;  // SYNs that were sent again, and went to another backend
    std::uint64_t skipped = 0;  // new flows that passed over a backend which left its last SYNs unanswered
    std::uint32_t affinity_timeout_s = 0;       // 0: no affinity
    bool has_source_ranges = false;             // only these clients may come to load-balancer addresses
    std::vector<std::string> source_ranges;

    std::string full_name() const { return name_space + '/' + name; }
    std::string title() const;      // "shop/orders:80", "shop/dns:53/UDP"
    std::string frontends_text() const;  // "192.0.2.10:8080/TCP, *:31544/TCP"
    std::string policy() const;     // "Cluster", "Local"; empty: it has no external frontend
    std::string ready_text() const; // "2/3", "2/3 (1 here)"; if the families differ "IPv4 2/3, IPv6 3/3"
    std::string affinity_text() const;  // "ClientIP 3h00m"; empty: none
    std::string ranges_text() const;    // "192.0.2.0/24, 2001:db8::/32", "nobody"; empty: everybody may come
    std::string note() const;       // "left to the stack: …"; empty: served, with endpoints
    bool is_served() const;         // at least one family
    bool lacks_endpoints() const;   // a family is served and has no endpoint that takes new flows, wherever
};

struct ServiceMaps {
    std::map<std::uint32_t, service> services;
    std::map<std::uint32_t, backend> backends;
    std::vector<std::pair<frontend_key, frontend>> frontends;
    std::map<std::uint32_t, service_counters> counts;
    FlowCounts flows;
    std::map<std::uint32_t, std::uint32_t> local_slots;  // backend -> slots of its service's `local_slice` that name it
    std::map<std::uint32_t, std::vector<IpPrefix>> source_ranges;
};

Result<ServiceMaps> read_service_maps(const PinnedMaps& maps);

// In order of namespace, name, port, protocol.
std::vector<ServiceRow> join_services(const ServiceMaps& maps);

}  // namespace shunt
