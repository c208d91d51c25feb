// SPDX-License-Identifier: Apache-2.0
// The image of `services`, `backends`, `frontends`, `slots` and `source_ranges` in memory, with the indexes that keep the cost of
// a change independent of the number of Services. plan() advances it as if its operations succeeded; whoever
// fails to carry them out reads the maps again and plans anew from what they say.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/plan/id_pool.h"
#include "agent/plan/maglev.h"
#include "agent/plan/service_key.h"
#include "agent/plan/slice_pool.h"
#include "maps/backend.h"
#include "maps/slot.h"
#include "maps/source_range.h"

namespace shunt {

// What stands in the maps, in any order.
struct MapEntries {
    std::vector<std::pair<std::uint32_t, service>> services;
    std::vector<std::pair<std::uint32_t, backend>> backends;
    std::vector<std::pair<frontend_key, frontend>> frontends;
    std::vector<std::pair<source_range_key, source_range>> source_ranges;
    std::span<const std::uint32_t> slots;
    std::uint32_t vips = 0;  // of `control`
};

// What the maps have room for.
struct MapLimits {
    std::uint32_t services = SERVICES_MAX;
    std::uint32_t backends = BACKENDS_MAX;
    std::uint32_t frontends = FRONTENDS_MAX;
    std::uint32_t slots = SLOTS_MAX;
    std::uint32_t source_ranges = SOURCE_RANGES_MAX;
};

struct BackendRecord {
    std::uint32_t id = 0;
    backend_placement placement = BACKEND_REMOTE;
    backend_state state = BACKEND_NOT_READY;
    std::uint32_t slots = 0;        // of `slice`; if it is not in there, of `local_slice`
    bool in_slice = false;          // which was made for it
    bool in_local_slice = false;    // likewise
    bool confirmed = false;  // the source named it since the start
    std::string node;
};

struct ServiceRecord {
    std::uint32_t id = 0;
    service value{};  // as it stands in the map
    std::map<BackendIdentity, BackendRecord> backends;
    std::map<frontend_key, frontend_kind, FrontendKeyLess> frontends;  // those it holds
    std::vector<frontend_key> awaited;  // those another service holds; only if LEFT_FRONTEND_TAKEN
    std::set<IpAddress> left_vips;      // load-balancer addresses at which the stack serves it, as it is left to it
    std::set<IpPrefix> source_ranges;   // that stand in the map for it
    bool confirmed = false;             // the source named it since the start
    bool slices_broken = false;         // what its slices in the map say is not to be trusted
    bool slice_reserved = false;        // its slice is its own in `slices`
    bool local_slice_reserved = false;  // likewise
};

struct MapState {
    explicit MapState(const MapLimits& limits = {});

    // Takes over what an earlier agent left, ids and slices included. What does not fit together (it died between
    // two steps) is marked, and mended by the first plan.
    static MapState from(const MapEntries& entries, const MapLimits& limits = {});

    std::map<ServiceKey, ServiceRecord> services;
    std::map<frontend_key, ServiceKey, FrontendKeyLess> owners;             // of each frontend in the map
    std::map<frontend_key, std::set<ServiceKey>, FrontendKeyLess> waiting;  // who takes it over once it is free
    // Load-balancer addresses, by how many frontends of services they have.
    std::map<IpAddress, std::size_t> vips;
    std::map<IpAddress, std::size_t> left_vips;  // those of services that are left to the stack, by how many
    std::set<IpAddress> vip_entries;  // those that stand in the map as FRONTEND_ADDRESS
    std::uint32_t vip_count = 0;      // what `control` says of them
    std::set<IpPrefix> cluster_ranges;  // in the map
    std::size_t range_count = 0;        // in the map, of services and of the cluster
    std::map<ObjectName, std::vector<std::string>> unreadable_ranges;  // that people were told of

    // Services for which there was no room. Some of them are tried again in turn, with a plan for each batch that found
    // some, and a grace period after one that found none: a slice that was given back is at rest so long, and a burst of
    // changes can fill the map with those.
    std::set<ServiceKey> crowded;
    ServiceKey crowded_last;  // tried
    std::uint64_t crowded_in_vain_ns = 0;
    bool is_retry_due(std::uint64_t now_ns) const {
        return !crowded.empty() && now_ns >= crowded_in_vain_ns + SLOT_GRACE_NS;
    }

    IdPool service_ids;
    IdPool backend_ids;
    SlicePool slices;
    MapLimits limits;

    // Left-overs of no service, to be deleted by the first plan.
    std::set<frontend_key, FrontendKeyLess> stale_frontends;
    std::vector<std::uint32_t> stale_services;
    std::vector<std::uint32_t> stale_backends;
    std::vector<source_range_key> stale_ranges;

    // What the last plan was made for. When one of these changes every service is planned again.
    struct Basis {
        std::vector<IpAddress> node_port_addresses;  // in the order of preference, each once
        std::string zone;
        std::set<IpAddress> snat_addresses;
        std::uint16_t snat_port_min = 0, snat_port_max = 0;
        bool prune = false;
        bool operator==(const Basis&) const = default;
    };
    std::optional<Basis> basis;  // nullopt: nothing planned yet, or the own Node went away
    // Of this node's devices, in the last plan. Nobody is planned again when one of them changes: only the whole of a
    // load-balancer address depends on them.
    std::optional<std::set<IpAddress>> device_addresses;

    std::array<std::size_t, LEFT_FRONTEND_TAKEN + 1> treatments{};  // services by enum service_treatment

    // Addresses of backends on other nodes, with the number of backends there.
    std::map<IpAddress, std::uint32_t> remote_addresses;
    void count_remote(const BackendIdentity& identity, const BackendRecord& known);
    void discount_remote(const BackendIdentity& identity, const BackendRecord& known);
};

}  // namespace shunt
