// SPDX-License-Identifier: Apache-2.0
#include "agent/model/snapshot_edit.h"

#include <utility>

namespace shunt {
namespace {

// True if `objects` did not hold an equal one.
template <typename Key, typename Object>
bool put_object(std::map<Key, Object>& objects, const Key& key, const Object& object) {
    const auto [place, inserted] = objects.try_emplace(key, object);
    if (inserted) {
        return true;
    }
    if (place->second == object) {
        return false;
    }
    place->second = object;
    return true;
}

ObjectName service_of(const EndpointSlice& slice) { return {slice.name.name_space, slice.service_name}; }

void detach(Snapshot& snapshot, const EndpointSlice& slice, Change& change) {
    if (slice.service_name.empty()) {
        return;
    }
    const ObjectName service = service_of(slice);
    change.services.insert(service);
    const auto slices = snapshot.slices_of_service.find(service);
    if (slices == snapshot.slices_of_service.end()) {
        return;
    }
    slices->second.erase(slice.name);
    if (slices->second.empty()) {
        snapshot.slices_of_service.erase(slices);
    }
}

}  // namespace

void put(Snapshot& snapshot, const Service& service, Change& change) {
    if (put_object(snapshot.services, service.name, service)) {
        change.services.insert(service.name);
        change.service_objects++;
    }
}

void put(Snapshot& snapshot, const EndpointSlice& slice, Change& change) {
    const auto old = snapshot.slices.find(slice.name);
    if (old != snapshot.slices.end()) {
        if (old->second == slice) {
            return;
        }
        // A slice whose service-name label changed leaves its old Service.
        detach(snapshot, old->second, change);
    }
    snapshot.slices.insert_or_assign(slice.name, slice);
    if (!slice.service_name.empty()) {
        snapshot.slices_of_service[service_of(slice)].insert(slice.name);
        change.services.insert(service_of(slice));
        change.slice_objects++;
    }
}

void put(Snapshot& snapshot, const Node& node, Change& change) {
    change.nodes |= put_object(snapshot.nodes, node.name.name, node);
}

void remove_service(Snapshot& snapshot, const ObjectName& name, Change& change) {
    if (snapshot.services.erase(name) != 0) {
        change.services.insert(name);
        change.service_objects++;
    }
}

void remove_slice(Snapshot& snapshot, const ObjectName& name, Change& change) {
    const auto slice = snapshot.slices.find(name);
    if (slice != snapshot.slices.end()) {
        detach(snapshot, slice->second, change);
        change.slice_objects += !slice->second.service_name.empty();
        snapshot.slices.erase(slice);
    }
}

void remove_node(Snapshot& snapshot, const std::string& name, Change& change) {
    change.nodes |= snapshot.nodes.erase(name) != 0;
}

}  // namespace shunt
