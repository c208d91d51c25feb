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

using SlotCounts = std::unordered_map<std::uint32_t, std::uint32_t>;

// The slots of a slice by backend id; nullopt if it does not lie within the map.
std::optional<SlotCounts> count_slots(std::uint64_t slice, std::span<const std::uint32_t> slots) {
    const std::uint64_t offset = SERVICE_SLICE_OFFSET(slice);
    const std::uint64_t size = SERVICE_SLICE_SIZE(slice);
    SlotCounts counts;
    if (offset + size > slots.size()) {
        return std::nullopt;
    }
    for (std::uint32_t id : slots.subspan(offset, size)) {
        ++counts[id];
    }
    return counts;
}

std::uint32_t count_of(const SlotCounts& counts, std::uint32_t id) {
    const auto count = counts.find(id);
    return count == counts.end() ? 0 : count->second;
}

// So many backends of the service are in this slice, and nobody else, and it has the size for that many.
bool is_whole(const SlotCounts& counts, std::size_t backends, std::uint64_t slice) {
    return backends == counts.size() && maglev_size(backends) == SERVICE_SLICE_SIZE(slice);
}

// Marks the backends that the slices name. They are to be trusted if all that they name are backends of this service, each
// as often as its entry says, and if they have the size for that many. Slices of two services that overlap cannot both pass,
// for no backend belongs to both.
bool check_slices(ServiceRecord& record, std::span<const std::uint32_t> slots) {
    const auto counts = count_slots(record.value.slice, slots);
    const auto local_counts = count_slots(record.value.local_slice, slots);
    if (!counts || !local_counts) {
        return false;
    }
    std::size_t in_slice = 0;
    std::size_t in_local_slice = 0;
    bool fits = true;
    for (auto& [identity, known] : record.backends) {
        const std::uint32_t slots_here = count_of(*counts, known.id);
        const std::uint32_t local_slots = count_of(*local_counts, known.id);
        known.in_slice = slots_here != 0;
        known.in_local_slice = local_slots != 0;
        in_slice += known.in_slice ? 1 : 0;
        in_local_slice += known.in_local_slice ? 1 : 0;
        fits = fits && (known.in_slice ? slots_here : local_slots) == known.slots;
    }
    return fits && is_whole(*counts, in_slice, record.value.slice) &&
           is_whole(*local_counts, in_local_slice, record.value.local_slice);
}

}  // namespace

// A flow has 16 bits for its service's id.
MapState::MapState(const MapLimits& limits)
    : service_ids(limits.services, UINT16_MAX), backend_ids(limits.backends), slices(limits.slots), limits(limits) {}

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
        if (value.kind == FRONTEND_ADDRESS) {
            state.vip_entries.insert(address_of(key));
            continue;
        }
        auto owner = by_id.find(value.service);
        if (owner == by_id.end()) {
            state.stale_frontends.insert(key);
            continue;
        }
        owner->second->frontends.emplace(key, value.kind);
        state.owners.emplace(key, key_of.at(value.service));
        if (value.kind == FRONTEND_LOAD_BALANCER) {
            ++state.vips[address_of(key)];
        }
    }
    state.vip_count = entries.vips;

    state.range_count = entries.source_ranges.size();
    for (const auto& [key, value] : entries.source_ranges) {
        auto owner = by_id.find(key.service);
        if (key.service == CLUSTER_RANGES) {
            state.cluster_ranges.insert(prefix_of(key));
        } else if (owner != by_id.end()) {
            owner->second->source_ranges.insert(prefix_of(key));
        } else {
            state.stale_ranges.push_back(key);
        }
    }

    const std::span<const std::uint32_t> slots =
        entries.slots.subspan(0, std::min<std::size_t>(entries.slots.size(), limits.slots));
    auto reserve = [&state](ServiceRecord& record) {
        const auto take = [&state](std::uint64_t slice) {
            return state.slices.reserve(SERVICE_SLICE_OFFSET(slice), SERVICE_SLICE_SIZE(slice));
        };
        record.slice_reserved = take(record.value.slice);
        record.local_slice_reserved = take(record.value.local_slice);
        return (record.slice_reserved || SERVICE_SLICE_SIZE(record.value.slice) == 0) &&
               (record.local_slice_reserved || SERVICE_SLICE_SIZE(record.value.local_slice) == 0);
    };
    std::vector<ServiceRecord*> broken;
    for (auto& [key, record] : state.services) {
        record.slices_broken = !check_slices(record, slots);
        if (record.slices_broken) {
            broken.push_back(&record);
        } else {
            record.slices_broken = !reserve(record);  // its own two overlap
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
