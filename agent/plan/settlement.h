// SPDX-License-Identifier: Apache-2.0
// The second half of planning: what services ask for against what is free. Works on the map image, one service at
// a time, and notes the operations.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "agent/plan/desired.h"
#include "agent/plan/gone_endpoint.h"
#include "agent/plan/operation_list.h"

namespace shunt {

class Settlement {
public:
    Settlement(MapState& state, bool prune, std::uint64_t now_ns);

    // Gives up the frontends that `desired` does not ask for; before any service takes new ones, so that a frontend
    // that changes hands within one plan is free in time.
    void release_unwanted(const DesiredService& desired);
    // Carries out `desired` as far as it goes: with all of it, or as a service that is left to the stack.
    void settle(const DesiredService& desired);
    void remove(const ServiceKey& key);
    void discard_leftovers();
    // The rest, after the last service: the whole of each load-balancer address that no device of this node has; --cluster-cidr.
    void settle_addresses(const std::optional<std::set<IpAddress>>& on_devices);
    void settle_cluster_ranges(const std::set<IpPrefix>& wanted);

    // Services that waited for a frontend that was given up since the last call.
    std::set<ServiceKey> take_woken() { return std::exchange(woken_, {}); }

    OperationList operations;
    std::map<ServiceKey, std::string> warnings;
    std::set<GoneEndpoint> gone;

private:
    struct Obstacle {
        service_treatment treatment;
        std::string reason;
    };

    // Where a table of a service goes.
    struct TablePlace {
        bool stays = true;  // where it is, as it is
        std::uint32_t offset = 0, size = 0;
    };
    // Who takes new flows: the Cluster set, and with externalTrafficPolicy Local the Local set.
    struct Usable {
        std::set<BackendIdentity> cluster, local;
    };

    ServiceRecord* find_or_make(const ServiceKey& key);
    void release(ServiceRecord& record, const frontend_key& key);
    void release_all(ServiceRecord& record);
    void stop_waiting(const ServiceKey& key, ServiceRecord& record);
    std::optional<Obstacle> frontend_taken(const DesiredService& desired, ServiceRecord& record);
    std::optional<Obstacle> serve(const DesiredService& desired, ServiceRecord& record, service& value);
    ChosenEndpoints with_remembered(const DesiredService& desired, const ServiceRecord& record) const;
    std::optional<TablePlace> find_place(const ServiceRecord& record, bool BackendRecord::*member,
                                         const std::set<BackendIdentity>& chosen);
    void write_tables(const TablePlace& slice, const TablePlace& local_slice, ServiceRecord& record, service& value);
    void set_backends(const DesiredService& desired, const ChosenEndpoints& endpoints, const Usable& usable,
                      ServiceRecord& record);
    void put_backends(const DesiredService& desired, const ServiceRecord& record,
                      const std::map<BackendIdentity, BackendRecord>& before);
    void drop_backends(const ServiceKey& key, ServiceRecord& record, const ChosenEndpoints& except);
    void note_gone(const ServiceKey& key, const ServiceRecord& record, const BackendIdentity& identity);
    void take_frontends(const DesiredService& desired, ServiceRecord& record);
    void note_left_vips(ServiceRecord& record, const DesiredService* left);
    void count_vip(const frontend_key& key, frontend_kind kind, bool is_taken);
    void give_back_slice(bool& is_reserved, std::uint64_t slice);
    void take_ranges(std::uint32_t service, const std::set<IpPrefix>& wanted, std::set<IpPrefix>& standing);
    // All that a service has in the maps, but itself.
    void give_up(const ServiceKey& key, ServiceRecord& record);
    void put_service(ServiceRecord& record, const service& value);

    MapState& state_;
    bool prune_;
    std::uint64_t now_ns_;
    std::set<ServiceKey> woken_;
    std::set<IpAddress> touched_vips_;  // whose count changed
    std::set<IpAddress> freed_vips_;    // that nobody has any more
};

}  // namespace shunt
