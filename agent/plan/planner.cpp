// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/planner.h"

#include <algorithm>
#include <utility>

#include "agent/plan/desired.h"
#include "agent/plan/settlement.h"

namespace shunt {
namespace {

constexpr std::size_t kRetries = 256;  // some milliseconds

// What the maps say of a service that the source does not name (yet).
DesiredService remembered(const ServiceKey& key, const ServiceRecord& record) {
    DesiredService desired{.key = key, .value = record.value, .confirmed = false};
    desired.value.slice = 0;
    desired.value.local_slice = 0;
    desired.reason = treatment_reason(record.value.treatment);
    if (record.value.treatment == SERVED) {
        desired.frontends = record.frontends;
        for (const auto& [identity, known] : record.backends) {
            desired.endpoints.emplace(identity, ChosenEndpoint{known.placement, known.state, known.node});
        }
        desired.source_ranges = record.source_ranges;
    }
    return desired;
}

class Planner {
public:
    Planner(const Snapshot& snapshot, const PlanOptions& options, MapState& state)
        : snapshot_(snapshot), options_(options), state_(state), settlement_(state, options.prune, options.now_ns) {
        settlement_.discard_leftovers();
        settlement_.settle_cluster_ranges({options.cluster_ranges.begin(), options.cluster_ranges.end()});
    }

    void consider_later(const ObjectName& name) {
        if (considered_.insert(name).second) {
            to_consider_.push_back(name);
        }
    }
    void run();
    Plan finish() &&;

private:
    using Records = std::map<ServiceKey, ServiceRecord>;

    void consider(const ObjectName& name);
    bool is_kept(const ServiceRecord& record, bool in_snapshot) const {
        return !in_snapshot && !options_.prune && !record.confirmed;
    }
    void collect_desired(const ObjectName& name);
    void tell_of_unreadable_ranges(const Service& service);
    void revisit_woken();

    const Snapshot& snapshot_;
    const PlanOptions& options_;
    MapState& state_;
    Settlement settlement_;
    std::set<ObjectName> considered_;
    std::vector<ObjectName> to_consider_;
    std::map<ServiceKey, DesiredService> desired_;
    std::set<ServiceKey> to_settle_;
    std::vector<std::string> warnings_;
};

// All that is given up is given up before anything is taken; what is taken is taken in the order of names.
void Planner::run() {
    while (!to_consider_.empty() || !to_settle_.empty()) {
        if (!to_consider_.empty()) {
            const ObjectName name = std::move(to_consider_.back());
            to_consider_.pop_back();
            consider(name);
        } else {
            settlement_.settle(desired_.at(to_settle_.extract(to_settle_.begin()).value()));
        }
        revisit_woken();
    }
}

void Planner::revisit_woken() {
    for (const ServiceKey& key : settlement_.take_woken()) {
        consider_later(key.name);
        if (desired_.contains(key)) {
            to_settle_.insert(key);
        }
    }
}

// Once, and again when they changed.
void Planner::tell_of_unreadable_ranges(const Service& service) {
    const std::vector<std::string>& ranges = service.unreadable_source_ranges;
    if (ranges.empty()) {
        state_.unreadable_ranges.erase(service.name);
        return;
    }
    std::vector<std::string>& told = state_.unreadable_ranges[service.name];
    if (told == ranges) {
        return;
    }
    told = ranges;
    std::string list;
    for (const std::string& range : ranges) {
        list += (list.empty() ? "" : ", ") + range;
    }
    warnings_.push_back(service.name.name_space + '/' + service.name.name + ": loadBalancerSourceRanges are prefixes like 192.0.2.0/24; left out: " +
                        list + (service.source_ranges.empty() ? "; no other is left, so nobody may come" : ""));
}

void Planner::collect_desired(const ObjectName& name) {
    auto found = snapshot_.services.find(name);
    if (found == snapshot_.services.end() || is_service_ignored(found->second)) {
        state_.unreadable_ranges.erase(name);
        return;
    }
    tell_of_unreadable_ranges(found->second);
    std::set<address_family> families;
    for (auto record = state_.services.lower_bound({.name = name});
         !options_.prune && record != state_.services.end() && record->first.name == name; ++record) {
        if (!record->second.confirmed) {
            families.insert(record->first.family);
        }
    }
    DesiredServices asked = desired_services(snapshot_, found->second, options_.node_name, *state_.basis, families);
    for (std::string& warning : asked.warnings) {
        warnings_.push_back(std::move(warning));
    }
    for (DesiredService& desired : asked.services) {
        const ServiceKey key = desired.key;
        desired_.insert_or_assign(key, std::move(desired));
        to_settle_.insert(key);
    }
}

void Planner::consider(const ObjectName& name) {
    collect_desired(name);
    const bool in_snapshot = snapshot_.services.contains(name);
    auto record = state_.services.lower_bound({.name = name});
    while (record != state_.services.end() && record->first.name == name) {
        const auto current = record++;
        auto desired = desired_.find(current->first);
        if (desired != desired_.end()) {
            settlement_.release_unwanted(desired->second);
        } else if (!is_kept(current->second, in_snapshot)) {
            settlement_.remove(current->first);
        } else if (current->second.slices_broken) {
            desired_.emplace(current->first, remembered(current->first, current->second));
            to_settle_.insert(current->first);
        }
    }
}

Plan Planner::finish() && {
    settlement_.settle_addresses(options_.device_addresses);
    Plan plan{.operations = std::move(settlement_.operations).in_order(),
              .gone = std::move(settlement_.gone),
              .warnings = std::move(warnings_)};
    for (auto& [key, warning] : settlement_.warnings) {
        plan.warnings.push_back(std::move(warning));
    }
    return plan;
}

std::vector<ServiceKey> next_crowded(MapState& state) {
    std::vector<ServiceKey> keys;
    auto next = state.crowded.upper_bound(state.crowded_last);
    while (keys.size() < std::min(kRetries, state.crowded.size())) {
        next = next == state.crowded.end() ? state.crowded.begin() : next;
        keys.push_back(*next++);
    }
    state.crowded_last = keys.back();
    return keys;
}

}  // namespace

Plan plan(const Snapshot& snapshot, const Change& change, const PlanOptions& options, MapState& state) {
    auto node = snapshot.nodes.find(options.node_name);
    if (node == snapshot.nodes.end()) {
        state.basis.reset();
        return {.waiting_for = "Node " + options.node_name};
    }
    const auto& on_devices = options.device_addresses ? options.device_addresses : state.device_addresses;
    if (!on_devices && options.node_port_addresses.kind != NodePortAddresses::Kind::primary) {
        state.basis.reset();
        return {.waiting_for = "the addresses of this node's devices"};
    }
    MapState::Basis basis{
        .node_port_addresses = choose_node_port_addresses(options.node_port_addresses, node->second.internal_ips,
                                                          on_devices.value_or(std::set<IpAddress>())),
        .zone = node->second.zone,
        .snat_addresses = options.snat_addresses,
        .snat_port_min = options.snat_port_min,
        .snat_port_max = options.snat_port_max,
        .prune = options.prune};
    const bool all = state.basis != basis;
    const bool lost_addresses =
        basis.node_port_addresses.empty() && (!state.basis || !state.basis->node_port_addresses.empty());
    state.basis = std::move(basis);

    Planner planner(snapshot, options, state);
    if (all) {
        for (const auto& [name, service] : snapshot.services) {
            planner.consider_later(name);
        }
        for (const auto& [key, record] : state.services) {
            planner.consider_later(key.name);
        }
    } else {
        for (const ObjectName& name : change.services) {
            planner.consider_later(name);
        }
    }
    const bool retries = !all && state.is_retry_due(options.now_ns);
    const std::size_t crowded = state.crowded.size();
    if (retries) {
        for (const ServiceKey& key : next_crowded(state)) {
            planner.consider_later(key.name);
        }
    }
    planner.run();
    if (all || (retries && state.crowded.size() >= crowded)) {
        state.crowded_in_vain_ns = options.now_ns;
    }
    Plan result = std::move(planner).finish();
    if (lost_addresses) {
        result.warnings.push_back(
            "Node " + options.node_name +
            (options.node_port_addresses.kind == NodePortAddresses::Kind::primary
                 ? " has no InternalIP"
                 : " has no address of --nodeport-addresses " + options.node_port_addresses.to_string()) +
            ": no NodePort is served");
    }
    return result;
}

}  // namespace shunt
