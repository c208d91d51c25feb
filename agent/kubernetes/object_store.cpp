// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/object_store.h"

#include <algorithm>
#include <set>

#include "agent/model/snapshot_edit.h"

namespace shunt {
namespace {

ObjectName name_of(const Object& object) {
    return std::visit([](const auto& of_kind) { return of_kind.name; }, object);
}

template <typename Objects>
std::vector<ObjectName> names_in(const Objects& objects) {
    std::vector<ObjectName> names;
    for (const auto& [key, object] : objects) {
        names.push_back(object.name);
    }
    return names;
}

}  // namespace

// What there is of one kind.
struct ObjectStore::Access {
    void (*remove)(ObjectStore& store, const ObjectName& name);
    bool (*is_known)(const Snapshot& snapshot, const ObjectName& name);
    std::vector<ObjectName> (*names)(const Snapshot& snapshot);
};

const ObjectStore::Access& ObjectStore::access(const std::string& kind) {
    static const std::map<std::string, Access> of_kind = {
        {"Service",
         {[](ObjectStore& store, const ObjectName& name) { remove_service(store.snapshot_, name, store.change_); },
          [](const Snapshot& snapshot, const ObjectName& name) { return snapshot.services.contains(name); },
          [](const Snapshot& snapshot) { return names_in(snapshot.services); }}},
        {"EndpointSlice",
         {[](ObjectStore& store, const ObjectName& name) { remove_slice(store.snapshot_, name, store.change_); },
          [](const Snapshot& snapshot, const ObjectName& name) { return snapshot.slices.contains(name); },
          [](const Snapshot& snapshot) { return names_in(snapshot.slices); }}},
        {"Node",
         {[](ObjectStore& store, const ObjectName& name) { remove_node(store.snapshot_, name.name, store.change_); },
          [](const Snapshot& snapshot, const ObjectName& name) { return snapshot.nodes.contains(name.name); },
          [](const Snapshot& snapshot) { return names_in(snapshot.nodes); }}},
    };
    return of_kind.at(kind);
}

std::vector<Error> ObjectStore::replace(const std::string& kind, const ApiList& list) {
    std::set<ObjectName> listed;
    for (const Object& object : list.objects) {
        listed.insert(name_of(object));
        put(object);
    }
    // What the list can read is mended, what it does not name is gone.
    std::set<ObjectName> still_undecoded;
    std::vector<Error> errors;
    for (const UndecodedObject& object : list.undecoded) {
        listed.insert(object.name);
        still_undecoded.insert(object.name);
        if (auto error = note(kind, object.name, object.error)) {
            errors.push_back(std::move(*error));
        }
    }
    std::erase_if(undecoded_, [&](const auto& entry) {
        return entry.first.first == kind && !still_undecoded.contains(entry.first.second);
    });
    for (const ObjectName& name : access(kind).names(snapshot_)) {
        if (!listed.contains(name)) {
            access(kind).remove(*this, name);
        }
    }
    return errors;
}

std::optional<Error> ObjectStore::take(const std::string& kind, const ApiEvent& event) {
    if (event.type != ApiEvent::Type::put && event.type != ApiEvent::Type::removed) {
        return std::nullopt;
    }
    if (event.undecoded) {
        return note(kind, event.name, *event.undecoded);
    }
    undecoded_.erase({kind, event.name});
    if (event.type == ApiEvent::Type::put && event.object) {
        put(*event.object);
    } else {
        access(kind).remove(*this, event.name);
    }
    return std::nullopt;
}

std::vector<BrokenInput> ObjectStore::undecoded() const {
    std::vector<BrokenInput> broken;
    for (const auto& [key, entry] : undecoded_) {
        broken.push_back({key.first + ' ' + to_string(key.second), entry.error});
    }
    return broken;
}

bool ObjectStore::has_never_decoded() const {
    return std::ranges::any_of(undecoded_, [](const auto& entry) { return !entry.second.is_known; });
}

void ObjectStore::put(const Object& object) {
    std::visit([&](const auto& of_kind) { shunt::put(snapshot_, of_kind, change_); }, object);
}

std::optional<Error> ObjectStore::note(const std::string& kind, const ObjectName& name, const Error& error) {
    const auto [place, is_new] = undecoded_.try_emplace({kind, name}, Undecoded{error, access(kind).is_known(snapshot_, name)});
    const bool is_other = is_new || place->second.error.message() != error.message();
    place->second.error = error;
    return is_other ? std::optional(error) : std::nullopt;
}

}  // namespace shunt
