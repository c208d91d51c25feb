// SPDX-License-Identifier: Apache-2.0
// What the planner tests share: objects in a few words, and maps that check after every operation that a packet
// would find nothing wrong.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "agent/model/snapshot_edit.h"
#include "agent/plan/planner.h"

namespace shunt::test {

inline const std::string kOwnNode = "node-a";

inline IpAddress ip(const std::string& text) {
    return IpAddress::parse(text).value();
}

inline IpPrefix prefix(const std::string& text) {
    return IpPrefix::parse(text).value();
}

inline Node node(const std::string& name, const std::vector<std::string>& addresses) {
    Node result{.name = {.name = name}};
    for (const std::string& address : addresses) {
        result.internal_ips.push_back(ip(address));
    }
    return result;
}

inline Service node_port_service(const std::string& name, std::uint16_t node_port) {
    return {.name = {"shop", name},
            .type = ServiceType::node_port,
            .cluster_ip = "10.96.0.10",
            .ports = {{.port = 80, .node_port = node_port}}};
}

inline Endpoint endpoint(const std::string& address, const std::string& on_node, bool ready = true) {
    return {.address = ip(address), .node_name = on_node, .ready = ready};
}

inline EndpointSlice slice(const std::string& name, const std::string& of_service, std::vector<Endpoint> endpoints,
                           std::uint16_t port = 8080) {
    return {.name = {"shop", name},
            .service_name = of_service,
            .endpoints = std::move(endpoints),
            .ports = {{.port = port}}};
}

inline frontend_key frontend_at(const std::string& address, std::uint16_t port, l4_protocol protocol = TCP) {
    const IpAddress parsed = ip(address);
    frontend_key key{.family = parsed.family, .protocol = protocol, .port = port};
    std::memcpy(key.address, parsed.octets.data(), sizeof(key.address));
    return key;
}

inline BackendIdentity identity_of(const backend& value) {
    BackendIdentity identity{.address = {.family = value.family}, .port = value.port};
    std::memcpy(identity.address.octets.data(), value.address, sizeof(value.address));
    return identity;
}

// The maps as a packet finds them.
class FakeMaps {
public:
    explicit FakeMaps(const MapLimits& limits = {.slots = 1 << 16})
        : limits(limits), slots(limits.slots), slot_left_ns_(limits.slots) {}

    void apply(const std::vector<MapOperation>& operations, std::uint64_t now_ns);
    void check_consistent() const;  // all of it; apply() checks only what an operation touches

    MapEntries entries() const {
        return {.services = {services.begin(), services.end()},
                .backends = {backends.begin(), backends.end()},
                .frontends = {frontends.begin(), frontends.end()},
                .source_ranges = {source_ranges.begin(), source_ranges.end()},
                .slots = slots,
                .vips = vips};
    }
    const service* find(const ServiceKey& key) const {
        const std::uint32_t id = id_of(key);
        return id != 0 ? &services.at(id) : nullptr;
    }
    std::uint32_t id_of(const ServiceKey& key) const {
        for (const auto& [id, value] : services) {
            if (service_key(value) == key) {
                return id;
            }
        }
        return 0;
    }

    // What a client sees: from a frontend to the backends that may answer.
    using Answer = std::tuple<ServiceKey, frontend_kind, std::set<std::pair<BackendIdentity, backend_placement>>>;
    std::map<std::string, Answer> answers() const;  // by "198.18.0.21 30080 tcp"
    // The same under externalTrafficPolicy Local, for clients from outside the cluster.
    std::map<std::string, Answer> local_answers() const;
    std::map<ServiceKey, service_treatment> treatments() const;
    // The prefixes of a service, CLUSTER_RANGES among them, as text.
    std::set<std::string> ranges_of(std::uint32_t service) const;
    std::set<std::string> whole_addresses() const;  // FRONTEND_ADDRESS
    using Listed =
        std::tuple<ServiceKey, BackendIdentity, backend_state, backend_placement, std::uint32_t, std::string>;
    std::set<Listed> listed_backends() const;

    MapLimits limits;
    std::map<std::uint32_t, service> services;
    std::map<std::uint32_t, backend> backends;
    std::map<frontend_key, frontend, FrontendKeyLess> frontends;
    std::map<source_range_key, source_range, SourceRangeKeyLess> source_ranges;
    std::vector<std::uint32_t> slots;
    std::uint32_t vips = 0;

private:
    void carry_out(const MapOperation& operation, std::uint64_t now_ns);
    void check_slice(std::uint32_t id, const service& value) const;
    void check_ranges(std::uint32_t id, const service& value) const;
    void check_addresses() const;
    void enter_slice(std::uint64_t slice);
    void leave_slice(std::uint64_t slice, std::uint64_t now_ns);
    std::map<std::string, Answer> answers_by(__u64 service::*slice) const;

    std::map<std::uint32_t, std::uint64_t> backend_left_ns_;
    std::vector<std::uint64_t> slot_left_ns_;
    std::map<std::uint32_t, std::uint32_t> slices_;  // offset -> size, of all services
};

// A snapshot, a planner's image and the maps, kept in step.
class Cluster {
public:
    explicit Cluster(const MapLimits& limits = {.slots = 1 << 16}) : maps(limits), state(limits) {
        options.node_name = kOwnNode;
        options.prune = true;
        options.device_addresses.emplace();
        options.now_ns = 1'000'000'000'000;
    }
    template <typename Object>
    Cluster& put(const Object& object) {
        shunt::put(snapshot, object, change);
        return *this;
    }
    Plan plan() {
        options.now_ns += 1'000'000;
        Plan result = shunt::plan(snapshot, change, options, state);
        change = {};
        maps.apply(result.operations, options.now_ns);
        return result;
    }
    // A new agent on the maps of the old one.
    void restart() {
        options.now_ns += SLOT_GRACE_NS;
        state = MapState::from(maps.entries(), maps.limits);
    }

    Snapshot snapshot;
    Change change;
    PlanOptions options;
    FakeMaps maps;
    MapState state;
};

}  // namespace shunt::test
