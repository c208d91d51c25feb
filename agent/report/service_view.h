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
    double share = 0;  // of new flows of its family, 0 to 1
    std::uint64_t flows = 0;
    std::string note;  // why it takes no new flows, or takes some though it is going
};

// One entry of `services`: a Service port of one family.
struct FamilyRow {
    std::uint32_t id;
    address_family family;
    service_treatment treatment;
    unsigned ready = 0;
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

    std::string full_name() const { return name_space + '/' + name; }
    std::string title() const;      // "shop/orders:80", "shop/dns:53/UDP"
    std::string frontends_text() const;  // "192.0.2.10:8080/TCP, *:31544/TCP"
    std::string policy() const;     // "Cluster", "Local"; empty: the maps don't say
    std::string ready_text() const; // "2/3"; if the families differ "2/3 v4, 3/3 v6"
    std::string note() const;       // "left to the stack: …"; empty: served, with endpoints
    bool is_served() const;         // at least one family
    bool lacks_endpoints() const;   // a family is served and has no endpoint that takes new flows
};

struct ServiceMaps {
    std::map<std::uint32_t, service> services;
    std::map<std::uint32_t, backend> backends;
    std::vector<std::pair<frontend_key, frontend>> frontends;
    std::map<std::uint32_t, service_counters> counts;
    FlowCounts flows;
};

Result<ServiceMaps> read_service_maps(const PinnedMaps& maps);

// In order of namespace, name, port, protocol.
std::vector<ServiceRow> join_services(const ServiceMaps& maps);

}  // namespace shunt
