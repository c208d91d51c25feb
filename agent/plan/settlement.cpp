// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/settlement.h"

#include <algorithm>
#include <unordered_map>

namespace shunt {
namespace {

std::string frontend_text(const frontend_key& key) {
    IpAddress address{.family = key.family};
    std::ranges::copy(key.address, address.octets.begin());
    const std::string text = address.to_string();
    return (key.family == IPV6 ? '[' + text + ']' : text) + ':' + std::to_string(key.port);
}

backend backend_value(const BackendIdentity& identity, const BackendRecord& record, const ServiceRecord& owner,
                      l4_protocol protocol) {
    backend value{.family = identity.address.family,
                  .protocol = protocol,
                  .port = identity.port,
                  .service = owner.id,
                  .placement = record.placement,
                  .state = record.state,
                  .slots = record.slots};
    std::ranges::copy(identity.address.octets, value.address);
    record.node.copy(value.node, sizeof(value.node) - 1);
    return value;
}

std::vector<std::uint32_t> table_of_ids(const ServiceRecord& record) {
    std::vector<BackendIdentity> identities;
    std::vector<std::uint32_t> ids;
    for (const auto& [identity, known] : record.backends) {
        if (known.usable) {
            identities.push_back(identity);
            ids.push_back(known.id);
        }
    }
    std::vector<std::uint32_t> table = maglev_table(identities);
    for (std::uint32_t& slot : table) {
        slot = ids[slot];
    }
    return table;
}

void count_slots(const std::vector<std::uint32_t>& table, ServiceRecord& record) {
    std::unordered_map<std::uint32_t, std::uint32_t> counts;
    for (std::uint32_t id : table) {
        ++counts[id];
    }
    for (auto& [identity, known] : record.backends) {
        known.slots = known.usable ? counts[known.id] : 0;
    }
}

// Whether the entry in the map can stay.
bool stands_alike(const BackendRecord& left, const BackendRecord& right) {
    return left.id == right.id && left.placement == right.placement && left.state == right.state &&
           left.slots == right.slots && left.node == right.node;
}

bool same_table(const ServiceRecord& record, const std::set<BackendIdentity>& usable) {
    std::size_t matching = 0;
    for (const auto& [identity, known] : record.backends) {
        if (known.usable) {
            if (!usable.contains(identity)) {
                return false;
            }
            ++matching;
        }
    }
    return !record.slice_broken && matching == usable.size();
}

}  // namespace

Settlement::Settlement(MapState& state, bool prune, std::uint64_t now_ns)
    : state_(state), prune_(prune), now_ns_(now_ns) {
    state_.service_ids.begin_plan();
    state_.backend_ids.begin_plan();
}

void Settlement::discard_leftovers() {
    for (const frontend_key& key : std::exchange(state_.stale_frontends, {})) {
        operations.drop_frontend(key);
    }
    for (std::uint32_t id : std::exchange(state_.stale_services, {})) {
        operations.delete_service(id);
        if (id != 0) {
            state_.service_ids.give_back(id, now_ns_);
        }
    }
    for (std::uint32_t id : std::exchange(state_.stale_backends, {})) {
        operations.delete_backend(id);
        if (id != 0) {
            state_.backend_ids.give_back(id, now_ns_);
        }
    }
}

void Settlement::release_unwanted(const DesiredService& desired) {
    auto entry = state_.services.find(desired.key);
    if (entry == state_.services.end()) {
        return;
    }
    ServiceRecord& record = entry->second;
    for (auto held = record.frontends.begin(); held != record.frontends.end();) {
        const frontend_key key = (held++)->first;
        if (!desired.frontends.contains(key)) {
            release(record, key);
        }
    }
}

void Settlement::settle(const DesiredService& desired) {
    ServiceRecord* record = find_or_make(desired.key);
    if (record == nullptr) {
        return;
    }
    service value = desired.value;
    std::string reason = desired.reason;
    stop_waiting(desired.key, *record);
    if (value.treatment == SERVED) {
        auto obstacle = frontend_taken(desired, *record);
        if (!obstacle) {
            obstacle = serve(desired, *record, value);
        }
        if (obstacle) {
            value.treatment = obstacle->treatment;
            reason = obstacle->reason;
        }
    }
    if (value.treatment == SERVED) {
        warnings.erase(desired.key);
    } else {
        release_all(*record);
        drop_backends(*record, {});
        give_back_slice(*record);
        value.slice = 0;
        const bool is_news = !record->confirmed || record->value.treatment != value.treatment;
        if (is_news && value.treatment != LEFT_NO_EXTERNAL_FRONTEND) {
            warnings[desired.key] = desired.key.to_string() + " is left to the stack: " + reason;
        }
    }
    if (value.treatment == LEFT_NO_ROOM) {
        state_.crowded.insert(desired.key);
    } else {
        state_.crowded.erase(desired.key);
    }
    put_service(*record, value);
    record->confirmed = record->confirmed || desired.confirmed;
    record->slice_broken = false;
}

void Settlement::remove(const ServiceKey& key) {
    auto entry = state_.services.find(key);
    ServiceRecord& record = entry->second;
    stop_waiting(key, record);
    state_.crowded.erase(key);
    release_all(record);
    drop_backends(record, {});
    give_back_slice(record);
    operations.delete_service(record.id);
    state_.service_ids.give_back(record.id, now_ns_);
    --state_.treatments[record.value.treatment];
    state_.services.erase(entry);
}

// nullptr: `services` is full, so that the service cannot even be recorded as left to the stack.
ServiceRecord* Settlement::find_or_make(const ServiceKey& key) {
    auto entry = state_.services.find(key);
    if (entry != state_.services.end()) {
        return &entry->second;
    }
    if (state_.service_ids.room() == 0) {
        warnings[key] = key.to_string() + " is left to the stack: the map services is full (" +
                        std::to_string(state_.limits.services) + ')';
        return nullptr;
    }
    ServiceRecord& record = state_.services[key];
    record.id = state_.service_ids.take(now_ns_);
    return &record;
}

void Settlement::release(ServiceRecord& record, const frontend_key& key) {
    record.frontends.erase(key);
    state_.owners.erase(key);
    operations.drop_frontend(key);
    auto waiters = state_.waiting.find(key);
    if (waiters != state_.waiting.end()) {
        woken_.insert(waiters->second.begin(), waiters->second.end());
    }
}

void Settlement::release_all(ServiceRecord& record) {
    while (!record.frontends.empty()) {
        const frontend_key key = record.frontends.begin()->first;
        release(record, key);
    }
}

void Settlement::stop_waiting(const ServiceKey& key, ServiceRecord& record) {
    for (const frontend_key& awaited : std::exchange(record.awaited, {})) {
        auto waiters = state_.waiting.find(awaited);
        waiters->second.erase(key);
        if (waiters->second.empty()) {
            state_.waiting.erase(waiters);
        }
    }
}

std::optional<Settlement::Obstacle> Settlement::frontend_taken(const DesiredService& desired, ServiceRecord& record) {
    std::optional<Obstacle> obstacle;
    for (const auto& [key, kind] : desired.frontends) {
        auto owner = state_.owners.find(key);
        if (owner == state_.owners.end() || owner->second == desired.key) {
            continue;
        }
        record.awaited.push_back(key);
        state_.waiting[key].insert(desired.key);
        if (!obstacle) {
            obstacle = {LEFT_FRONTEND_TAKEN, owner->second.to_string() + " has its frontend " + frontend_text(key)};
        }
    }
    return obstacle;
}

// Everything that can fail comes before anything changes.
std::optional<Settlement::Obstacle> Settlement::serve(const DesiredService& desired, ServiceRecord& record,
                                                      service& value) {
    const ChosenEndpoints endpoints = with_remembered(desired, record);
    const std::set<BackendIdentity> usable = usable_endpoints(endpoints);

    auto new_frontends = std::ranges::count_if(desired.frontends, [&](const auto& frontend) {
        return !record.frontends.contains(frontend.first) && !operations.is_dropped(frontend.first);
    });
    if (state_.owners.size() + operations.dropped_frontends() + new_frontends > state_.limits.frontends) {
        return Obstacle{LEFT_NO_ROOM, "the map frontends is full (" + std::to_string(state_.limits.frontends) + ')'};
    }
    auto new_backends = std::ranges::count_if(
        endpoints, [&](const auto& endpoint) { return !record.backends.contains(endpoint.first); });
    if (state_.backend_ids.room() < static_cast<std::size_t>(new_backends)) {
        return Obstacle{LEFT_NO_ROOM, "the map backends is full (" + std::to_string(state_.limits.backends) + ')'};
    }
    const bool keep_table = same_table(record, usable);
    std::uint32_t offset = 0;
    if (!keep_table && !usable.empty()) {
        const std::uint32_t size = maglev_size(usable.size());
        auto place = state_.slices.take(size, now_ns_);
        if (!place) {
            return Obstacle{LEFT_NO_ROOM, "the map slots has no " + std::to_string(size) + " free ones in a row"};
        }
        offset = *place;
    }

    value.slice = record.value.slice;
    if (!keep_table) {
        give_back_slice(record);
        value.slice = SERVICE_SLICE(offset, maglev_size(usable.size()));
        record.slice_reserved = !usable.empty();
    }
    const std::map<BackendIdentity, BackendRecord> before = record.backends;
    drop_backends(record, endpoints);
    set_backends(desired, endpoints, usable, record);
    if (!keep_table && !usable.empty()) {
        std::vector<std::uint32_t> table = table_of_ids(record);
        count_slots(table, record);
        operations.write_slots(offset, std::move(table));
    }
    put_backends(desired, record, before);
    take_frontends(desired, record);
    return std::nullopt;
}

// An endpoint that only the maps know may stand in a manifest that has never parsed: it stays until `prune`. One
// whose address the source names with another port has moved.
ChosenEndpoints Settlement::with_remembered(const DesiredService& desired, const ServiceRecord& record) const {
    ChosenEndpoints endpoints = desired.endpoints;
    if (prune_) {
        return endpoints;
    }
    for (const auto& [identity, known] : record.backends) {
        auto same_address = desired.endpoints.lower_bound({.address = identity.address, .port = 0});
        const bool is_named =
            same_address != desired.endpoints.end() && same_address->first.address == identity.address;
        if (!known.confirmed && !is_named) {
            endpoints.try_emplace(identity, ChosenEndpoint{known.placement, known.state, known.node});
        }
    }
    return endpoints;
}

void Settlement::set_backends(const DesiredService& desired, const ChosenEndpoints& endpoints,
                              const std::set<BackendIdentity>& usable, ServiceRecord& record) {
    for (const auto& [identity, endpoint] : endpoints) {
        BackendRecord& known = record.backends[identity];
        if (known.id == 0) {
            known.id = state_.backend_ids.take(now_ns_);
        } else {
            state_.discount_remote(identity, known);
        }
        known.placement = endpoint.placement;
        state_.count_remote(identity, known);
        known.state = endpoint.state;
        known.node = endpoint.node;
        known.usable = usable.contains(identity);
        known.slots = known.usable ? known.slots : 0;
        known.confirmed = known.confirmed || (desired.confirmed && desired.endpoints.contains(identity));
    }
}

void Settlement::put_backends(const DesiredService& desired, const ServiceRecord& record,
                              const std::map<BackendIdentity, BackendRecord>& before) {
    for (const auto& [identity, now] : record.backends) {
        auto known = before.find(identity);
        if (known == before.end() || !stands_alike(known->second, now)) {
            operations.put_backend(now.id, backend_value(identity, now, record, desired.key.protocol));
        }
    }
}

void Settlement::drop_backends(ServiceRecord& record, const ChosenEndpoints& except) {
    std::erase_if(record.backends, [&](const auto& entry) {
        if (except.contains(entry.first)) {
            return false;
        }
        state_.discount_remote(entry.first, entry.second);
        operations.delete_backend(entry.second.id);
        state_.backend_ids.give_back(entry.second.id, now_ns_);
        return true;
    });
}

void Settlement::give_back_slice(ServiceRecord& record) {
    if (std::exchange(record.slice_reserved, false)) {
        state_.slices.give_back(SERVICE_SLICE_OFFSET(record.value.slice), SERVICE_SLICE_SIZE(record.value.slice),
                                now_ns_);
    }
}

void Settlement::take_frontends(const DesiredService& desired, ServiceRecord& record) {
    for (const auto& [key, kind] : desired.frontends) {
        auto [held, is_new] = record.frontends.try_emplace(key, kind);
        if (is_new || held->second != kind) {
            held->second = kind;
            state_.owners[key] = desired.key;
            operations.put_frontend(key, {.service = record.id, .kind = kind});
        }
    }
}

void Settlement::put_service(ServiceRecord& record, const service& value) {
    const bool is_new = record.value.treatment == 0;
    if (!is_new) {
        --state_.treatments[record.value.treatment];
    }
    ++state_.treatments[value.treatment];
    if (std::memcmp(&record.value, &value, sizeof(value)) != 0) {
        operations.put_service(record.id, value);
        record.value = value;
    }
}

}  // namespace shunt
