// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/settlement.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <unordered_map>

namespace shunt {
namespace {

std::string frontend_text(const frontend_key& key) {
    const std::string text = address_of(key).to_string();
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

std::vector<std::uint32_t> table_of_ids(const ServiceRecord& record, bool BackendRecord::*member) {
    std::vector<BackendIdentity> identities;
    std::vector<std::uint32_t> ids;
    for (const auto& [identity, known] : record.backends) {
        if (known.*member) {
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

void count_slots(const std::vector<std::uint32_t>& table, const std::vector<std::uint32_t>& local_table,
                 ServiceRecord& record) {
    std::unordered_map<std::uint32_t, std::uint32_t> counts;
    std::unordered_map<std::uint32_t, std::uint32_t> local_counts;
    for (std::uint32_t id : table) {
        ++counts[id];
    }
    for (std::uint32_t id : local_table) {
        ++local_counts[id];
    }
    for (auto& [identity, known] : record.backends) {
        known.slots = known.in_slice ? counts[known.id] : known.in_local_slice ? local_counts[known.id] : 0;
    }
}

// Whether the entry in the map can stay.
bool stands_alike(const BackendRecord& left, const BackendRecord& right) {
    return left.id == right.id && left.placement == right.placement && left.state == right.state &&
           left.slots == right.slots && left.node == right.node;
}

bool same_table(const ServiceRecord& record, bool BackendRecord::*member, const std::set<BackendIdentity>& chosen) {
    std::size_t matching = 0;
    for (const auto& [identity, known] : record.backends) {
        if (known.*member) {
            if (!chosen.contains(identity)) {
                return false;
            }
            ++matching;
        }
    }
    return !record.slices_broken && matching == chosen.size();
}

}  // namespace

Settlement::Settlement(MapState& state, bool prune, std::uint64_t now_ns)
    : state_(state), prune_(prune), now_ns_(now_ns) {
    state_.service_ids.begin_plan(now_ns);
    state_.backend_ids.begin_plan(now_ns);
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
    for (const source_range_key& key : std::exchange(state_.stale_ranges, {})) {
        operations.drop_range(key);
        --state_.range_count;
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
        give_up(desired.key, *record);
        value.slice = 0;
        value.local_slice = 0;
        value.source_ranges = 0;
        const bool is_news = !record->confirmed || record->value.treatment != value.treatment;
        if (is_news && value.treatment != LEFT_NO_EXTERNAL_FRONTEND) {
            warnings[desired.key] = desired.key.to_string() + " is left to the stack: " + reason;
        }
    }
    note_left_vips(*record, value.treatment == SERVED ? nullptr : &desired);
    if (value.treatment == LEFT_NO_ROOM) {
        state_.crowded.insert(desired.key);
    } else {
        state_.crowded.erase(desired.key);
    }
    put_service(*record, value);
    record->confirmed = record->confirmed || desired.confirmed;
    record->slices_broken = false;
}

void Settlement::remove(const ServiceKey& key) {
    auto entry = state_.services.find(key);
    ServiceRecord& record = entry->second;
    stop_waiting(key, record);
    state_.crowded.erase(key);
    note_left_vips(record, nullptr);
    give_up(key, record);
    operations.delete_service(record.id);
    state_.service_ids.give_back(record.id, now_ns_);
    --state_.treatments[record.value.treatment];
    state_.services.erase(entry);
}

void Settlement::give_up(const ServiceKey& key, ServiceRecord& record) {
    release_all(record);
    drop_backends(key, record, {});
    give_back_slice(record.slice_reserved, record.value.slice);
    give_back_slice(record.local_slice_reserved, record.value.local_slice);
    take_ranges(record.id, {}, record.source_ranges);
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
    const auto held = record.frontends.find(key);
    count_vip(key, held->second, false);
    record.frontends.erase(held);
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
    const Usable usable{.cluster = cluster_set(endpoints),
                        .local = value.external_policy == POLICY_LOCAL ? local_set(endpoints) : std::set<BackendIdentity>()};

    auto new_frontends = std::ranges::count_if(desired.frontends, [&](const auto& frontend) {
        return !record.frontends.contains(frontend.first) && !operations.is_dropped(frontend.first);
    });
    // The whole of a load-balancer address has room in any case, whether it stands in the map now or not.
    std::set<IpAddress> new_vips;
    for (const auto& [key, kind] : desired.frontends) {
        if (kind == FRONTEND_LOAD_BALANCER && !state_.vips.contains(address_of(key)) &&
            !freed_vips_.contains(address_of(key))) {
            new_vips.insert(address_of(key));
        }
    }
    if (state_.owners.size() + operations.dropped_frontends() + new_frontends + state_.vips.size() + freed_vips_.size() +
            new_vips.size() >
        state_.limits.frontends) {
        return Obstacle{LEFT_NO_ROOM, "the map frontends is full (" + std::to_string(state_.limits.frontends) + ')'};
    }
    auto new_ranges = std::ranges::count_if(desired.source_ranges,
                                            [&](const IpPrefix& range) { return !record.source_ranges.contains(range); });
    if (state_.range_count + operations.dropped_ranges() + new_ranges > state_.limits.source_ranges) {
        return Obstacle{LEFT_NO_ROOM,
                        "the map source_ranges is full (" + std::to_string(state_.limits.source_ranges) + ')'};
    }
    auto new_backends = std::ranges::count_if(
        endpoints, [&](const auto& endpoint) { return !record.backends.contains(endpoint.first); });
    if (state_.backend_ids.room() < static_cast<std::size_t>(new_backends)) {
        return Obstacle{LEFT_NO_ROOM, "the map backends is full (" + std::to_string(state_.limits.backends) + ')'};
    }
    const auto slice = find_place(record, &BackendRecord::in_slice, usable.cluster);
    const auto local_slice = slice ? find_place(record, &BackendRecord::in_local_slice, usable.local) : std::nullopt;
    if (!local_slice) {
        if (slice && slice->size != 0) {
            state_.slices.give_back(slice->offset, slice->size, now_ns_);
        }
        const std::size_t backends = slice ? usable.local.size() : usable.cluster.size();
        return Obstacle{LEFT_NO_ROOM,
                        "the map slots has no " + std::to_string(maglev_size(backends)) + " free ones in a row"};
    }

    const std::map<BackendIdentity, BackendRecord> before = record.backends;
    drop_backends(desired.key, record, endpoints);
    set_backends(desired, endpoints, usable, record);
    write_tables(*slice, *local_slice, record, value);
    put_backends(desired, record, before);
    take_ranges(record.id, desired.source_ranges, record.source_ranges);
    take_frontends(desired, record);
    return std::nullopt;
}

// nullopt: there is no room.
std::optional<Settlement::TablePlace> Settlement::find_place(const ServiceRecord& record, bool BackendRecord::*member,
                                                             const std::set<BackendIdentity>& chosen) {
    if (same_table(record, member, chosen)) {
        return TablePlace{};
    }
    TablePlace place{.stays = false, .size = maglev_size(chosen.size())};
    if (place.size != 0) {
        const auto offset = state_.slices.take(place.size, now_ns_);
        if (!offset) {
            return std::nullopt;
        }
        place.offset = *offset;
    }
    return place;
}

void Settlement::write_tables(const TablePlace& slice, const TablePlace& local_slice, ServiceRecord& record,
                              service& value) {
    value.slice = record.value.slice;
    value.local_slice = record.value.local_slice;
    if (slice.stays && local_slice.stays) {
        return;
    }
    std::vector<std::uint32_t> table = table_of_ids(record, &BackendRecord::in_slice);
    std::vector<std::uint32_t> local_table = table_of_ids(record, &BackendRecord::in_local_slice);
    count_slots(table, local_table, record);
    if (!slice.stays) {
        give_back_slice(record.slice_reserved, record.value.slice);
        value.slice = SERVICE_SLICE(slice.offset, slice.size);
        record.slice_reserved = slice.size != 0;
    }
    if (!local_slice.stays) {
        give_back_slice(record.local_slice_reserved, record.value.local_slice);
        value.local_slice = SERVICE_SLICE(local_slice.offset, local_slice.size);
        record.local_slice_reserved = local_slice.size != 0;
    }
    if (!slice.stays && slice.size != 0) {
        operations.write_slots(slice.offset, std::move(table));
    }
    if (!local_slice.stays && local_slice.size != 0) {
        operations.write_slots(local_slice.offset, std::move(local_table));
    }
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

void Settlement::set_backends(const DesiredService& desired, const ChosenEndpoints& endpoints, const Usable& usable,
                              ServiceRecord& record) {
    for (const auto& [identity, endpoint] : endpoints) {
        BackendRecord& known = record.backends[identity];
        if (known.id == 0) {
            known.id = state_.backend_ids.take(now_ns_);
        } else {
            if (is_serving(known.state) && !is_serving(endpoint.state)) {
                note_gone(desired.key, record, identity);
            }
            state_.discount_remote(identity, known);
        }
        known.placement = endpoint.placement;
        state_.count_remote(identity, known);
        known.state = endpoint.state;
        known.node = endpoint.node;
        known.in_slice = usable.cluster.contains(identity);
        known.in_local_slice = usable.local.contains(identity);
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

void Settlement::drop_backends(const ServiceKey& key, ServiceRecord& record, const ChosenEndpoints& except) {
    std::erase_if(record.backends, [&](const auto& entry) {
        if (except.contains(entry.first)) {
            return false;
        }
        if (is_serving(entry.second.state)) {
            note_gone(key, record, entry.first);
        }
        state_.discount_remote(entry.first, entry.second);
        operations.delete_backend(entry.second.id);
        state_.backend_ids.give_back(entry.second.id, now_ns_);
        return true;
    });
}

// Flows of TCP are left to finish.
void Settlement::note_gone(const ServiceKey& key, const ServiceRecord& record, const BackendIdentity& identity) {
    if (key.protocol == UDP) {
        gone.insert({.service = key, .service_id = record.id, .endpoint = identity});
    }
}

void Settlement::give_back_slice(bool& is_reserved, std::uint64_t slice) {
    if (std::exchange(is_reserved, false)) {
        state_.slices.give_back(SERVICE_SLICE_OFFSET(slice), SERVICE_SLICE_SIZE(slice), now_ns_);
    }
}

// `standing`: what stands in the map, in the end the same as `wanted`.
void Settlement::take_ranges(std::uint32_t service, const std::set<IpPrefix>& wanted, std::set<IpPrefix>& standing) {
    for (const IpPrefix& range : wanted) {
        if (!standing.contains(range)) {
            operations.put_range(range_key(service, range), {.prefix_length = range.length});
        }
    }
    for (const IpPrefix& range : standing) {
        if (!wanted.contains(range)) {
            operations.drop_range(range_key(service, range));
        }
    }
    state_.range_count = state_.range_count + wanted.size() - standing.size();
    standing = wanted;
}

void Settlement::settle_cluster_ranges(const std::set<IpPrefix>& wanted) {
    take_ranges(CLUSTER_RANGES, wanted, state_.cluster_ranges);
}

void Settlement::take_frontends(const DesiredService& desired, ServiceRecord& record) {
    for (const auto& [key, kind] : desired.frontends) {
        auto [held, is_new] = record.frontends.try_emplace(key, kind);
        if (is_new || held->second != kind) {
            if (!is_new) {
                count_vip(key, held->second, false);
            }
            count_vip(key, kind, true);
            held->second = kind;
            state_.owners[key] = desired.key;
            operations.put_frontend(key, {.service = record.id, .kind = kind});
        }
    }
}

void Settlement::count_vip(const frontend_key& key, frontend_kind kind, bool is_taken) {
    if (kind != FRONTEND_LOAD_BALANCER) {
        return;
    }
    const IpAddress address = address_of(key);
    touched_vips_.insert(address);
    if (is_taken) {
        ++state_.vips[address];
        freed_vips_.erase(address);
    } else if (const auto counted = state_.vips.find(address); --counted->second == 0) {
        state_.vips.erase(counted);
        freed_vips_.insert(address);
    }
}

// nullptr: nothing of it is left to the stack.
void Settlement::note_left_vips(ServiceRecord& record, const DesiredService* left) {
    for (const IpAddress& address : std::exchange(record.left_vips, {})) {
        touched_vips_.insert(address);
        if (const auto counted = state_.left_vips.find(address); --counted->second == 0) {
            state_.left_vips.erase(counted);
        }
    }
    if (left == nullptr) {
        return;
    }
    for (const auto& [key, kind] : left->frontends) {
        if (kind == FRONTEND_LOAD_BALANCER && record.left_vips.insert(address_of(key)).second) {
            touched_vips_.insert(address_of(key));
            ++state_.left_vips[address_of(key)];
        }
    }
}

void Settlement::settle_addresses(const std::optional<std::set<IpAddress>>& on_devices) {
    if (on_devices && on_devices != state_.device_addresses) {
        if (state_.device_addresses) {
            std::ranges::set_symmetric_difference(*on_devices, *state_.device_addresses,
                                                  std::inserter(touched_vips_, touched_vips_.end()));
        } else {
            touched_vips_ = state_.vip_entries;
            std::ranges::copy(state_.vips | std::views::keys, std::inserter(touched_vips_, touched_vips_.end()));
        }
        state_.device_addresses = on_devices;
    }
    if (!state_.device_addresses) {
        return;
    }
    for (const IpAddress& address : touched_vips_) {
        const bool is_wanted = state_.vips.contains(address) && !state_.left_vips.contains(address) &&
                               !state_.device_addresses->contains(address);
        if (is_wanted && state_.vip_entries.insert(address).second) {
            operations.put_address(address_key(address));
        } else if (!is_wanted && state_.vip_entries.erase(address) != 0) {
            operations.drop_address(address_key(address));
        }
    }
    const auto count = static_cast<std::uint32_t>(state_.vip_entries.size());
    if (std::exchange(state_.vip_count, count) != count) {
        operations.set_vips(count);
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
