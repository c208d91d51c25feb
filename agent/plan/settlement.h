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

    // Services that waited for a frontend that was given up since the last call.
    std::set<ServiceKey> take_woken() { return std::exchange(woken_, {}); }

    OperationList operations;
    std::map<ServiceKey, std::string> warnings;

private:
    struct Obstacle {
        service_treatment treatment;
        std::string reason;
    };

    ServiceRecord* find_or_make(const ServiceKey& key);
    void release(ServiceRecord& record, const frontend_key& key);
    void release_all(ServiceRecord& record);
    void stop_waiting(const ServiceKey& key, ServiceRecord& record);
    std::optional<Obstacle> frontend_taken(const DesiredService& desired, ServiceRecord& record);
    std::optional<Obstacle> serve(const DesiredService& desired, ServiceRecord& record, service& value);
    ChosenEndpoints with_remembered(const DesiredService& desired, const ServiceRecord& record) const;
    void set_backends(const DesiredService& desired, const ChosenEndpoints& endpoints,
                      const std::set<BackendIdentity>& usable, ServiceRecord& record);
    void put_backends(const DesiredService& desired, const ServiceRecord& record,
                      const std::map<BackendIdentity, BackendRecord>& before);
    void drop_backends(ServiceRecord& record, const ChosenEndpoints& except);
    void take_frontends(const DesiredService& desired, ServiceRecord& record);
    void give_back_slice(ServiceRecord& record);
    void put_service(ServiceRecord& record, const service& value);

    MapState& state_;
    bool prune_;
    std::uint64_t now_ns_;
    std::set<ServiceKey> woken_;
};

}  // namespace shunt
