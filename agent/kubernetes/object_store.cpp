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

}  // namespace

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
    for (const ObjectName& name : names(kind)) {
        if (!listed.contains(name)) {
            remove(kind, name);
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
        remove(kind, event.name);
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

void ObjectStore::remove(const std::string& kind, const ObjectName& name) {
    if (kind == "Service") {
        remove_service(snapshot_, name, change_);
    } else if (kind == "EndpointSlice") {
        remove_slice(snapshot_, name, change_);
    } else {
        remove_node(snapshot_, name.name, change_);
    }
}

bool ObjectStore::is_known(const std::string& kind, const ObjectName& name) const {
    return kind == "Service"         ? snapshot_.services.contains(name)
           : kind == "EndpointSlice" ? snapshot_.slices.contains(name)
                                     : snapshot_.nodes.contains(name.name);
}

std::vector<ObjectName> ObjectStore::names(const std::string& kind) const {
    std::vector<ObjectName> found;
    const auto add_keys = [&](const auto& objects) {
        for (const auto& [name, object] : objects) {
            found.push_back(object.name);
        }
    };
    if (kind == "Service") {
        add_keys(snapshot_.services);
    } else if (kind == "EndpointSlice") {
        add_keys(snapshot_.slices);
    } else {
        add_keys(snapshot_.nodes);
    }
    return found;
}

std::optional<Error> ObjectStore::note(const std::string& kind, const ObjectName& name, const Error& error) {
    const auto [place, is_new] = undecoded_.try_emplace({kind, name}, Undecoded{error, is_known(kind, name)});
    const bool is_other = is_new || place->second.error.message() != error.message();
    place->second.error = error;
    return is_other ? std::optional(error) : std::nullopt;
}

}  // namespace shunt
