// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/map_state.h"

#include <algorithm>
#include <unordered_map>

namespace shunt {
namespace {

BackendIdentity identity_of(const backend& value) {
    BackendIdentity identity{.address = {.family = value.family}, .port = value.port};
    std::ranges::copy(value.address, identity.address.octets.begin());
    return identity;
}

BackendRecord record_of(std::uint32_t id, const backend& value) {
    return {.id = id,
            .placement = value.placement,
            .state = value.state,
            .slots = value.slots,
            .node = {value.node, strnlen(value.node, sizeof(value.node))}};
}

// The slots of a service by backend id; nullopt if the slice does not lie within the map.
std::optional<std::unordered_map<std::uint32_t, std::uint32_t>> count_slots(const service& value,
                                                                            std::span<const std::uint32_t> slots) {
    const std::uint64_t offset = SERVICE_SLICE_OFFSET(value.slice);
    const std::uint64_t size = SERVICE_SLICE_SIZE(value.slice);
    std::unordered_map<std::uint32_t, std::uint32_t> counts;
    if (offset + size > slots.size()) {
        return std::nullopt;
    }
    for (std::uint32_t id : slots.subspan(offset, size)) {
        ++counts[id];
    }
    return counts;
}

// Marks the backends that the slice names. A slice is to be trusted if all that it names are backends of this
// service, each as often as its entry says, and if it has the size for that many. Two slices that overlap cannot
// both pass, for no backend belongs to two services.
bool check_slice(ServiceRecord& record, std::span<const std::uint32_t> slots) {
    auto counts = count_slots(record.value, slots);
    if (!counts) {
        return false;
    }
    std::size_t usable = 0;
    bool fits = true;
    for (auto& [identity, known] : record.backends) {
        auto count = counts->find(known.id);
        const std::uint32_t in_slice = count == counts->end() ? 0 : count->second;
        known.usable = in_slice != 0;
        usable += known.usable ? 1 : 0;
        fits = fits && in_slice == known.slots;
    }
    return fits && usable == counts->size() && maglev_size(usable) == SERVICE_SLICE_SIZE(record.value.slice);
}

}  // namespace

MapState::MapState(const MapLimits& limits)
    : service_ids(limits.services), backend_ids(limits.backends), slices(limits.slots), limits(limits) {}

MapState MapState::from(const MapEntries& entries, const MapLimits& limits) {
    MapState state(limits);
    std::unordered_map<std::uint32_t, ServiceRecord*> by_id;
    std::unordered_map<std::uint32_t, ServiceKey> key_of;

    for (const auto& [id, value] : entries.services) {
        state.service_ids.reserve(id);
        const ServiceKey key = service_key(value);
        if (id == 0 || state.services.contains(key)) {
            state.stale_services.push_back(id);
            continue;
        }
        auto entry = state.services.try_emplace(key).first;
        entry->second.id = id;
        entry->second.value = value;
        by_id.emplace(id, &entry->second);
        key_of.emplace(id, key);
        if (value.treatment < state.treatments.size()) {
            ++state.treatments[value.treatment];
        }
    }

    for (const auto& [id, value] : entries.backends) {
        state.backend_ids.reserve(id);
        auto owner = by_id.find(value.service);
        if (owner == by_id.end() || id == 0 ||
            !owner->second->backends.try_emplace(identity_of(value), record_of(id, value)).second) {
            state.stale_backends.push_back(id);
        }
    }

    for (const auto& [key, value] : entries.frontends) {
        auto owner = by_id.find(value.service);
        if (owner == by_id.end()) {
            state.stale_frontends.insert(key);
            continue;
        }
        owner->second->frontends.emplace(key, value.kind);
        state.owners.emplace(key, key_of.at(value.service));
    }

    const std::span<const std::uint32_t> slots =
        entries.slots.subspan(0, std::min<std::size_t>(entries.slots.size(), limits.slots));
    auto reserve = [&state](ServiceRecord& record) {
        record.slice_reserved =
            state.slices.reserve(SERVICE_SLICE_OFFSET(record.value.slice), SERVICE_SLICE_SIZE(record.value.slice));
    };
    std::vector<ServiceRecord*> broken;
    for (auto& [key, record] : state.services) {
        record.slice_broken = !check_slice(record, slots);
        if (record.slice_broken) {
            broken.push_back(&record);
        } else {
            reserve(record);
        }
    }
    // Packets still look into these until the first plan: kept from others where nobody has a better claim.
    std::ranges::for_each(broken, [&](ServiceRecord* record) { reserve(*record); });
    for (const auto& [key, record] : state.services) {
        for (const auto& [identity, known] : record.backends) {
            state.count_remote(identity, known);
        }
    }
    return state;
}

void MapState::count_remote(const BackendIdentity& identity, const BackendRecord& known) {
    if (known.placement == BACKEND_REMOTE) {
        ++remote_addresses[identity.address];
    }
}

void MapState::discount_remote(const BackendIdentity& identity, const BackendRecord& known) {
    if (known.placement != BACKEND_REMOTE) {
        return;
    }
    const auto place = remote_addresses.find(identity.address);
    if (--place->second == 0) {
        remote_addresses.erase(place);
    }
}

}  // namespace shunt
