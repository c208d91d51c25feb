// SPDX-License-Identifier: Apache-2.0
#include "agent/source/manifest_set.h"

#include <type_traits>
#include <utility>

#include "agent/model/snapshot_edit.h"

namespace shunt {
namespace {

template <typename T>
constexpr const char* kind = std::is_same_v<T, Service> ? "Service" : std::is_same_v<T, Node> ? "Node" : "EndpointSlice";

template <typename T>
void remove(Snapshot& snapshot, const ObjectName& name, Change& change) {
    if constexpr (std::is_same_v<T, Service>) {
        remove_service(snapshot, name, change);
    } else if constexpr (std::is_same_v<T, EndpointSlice>) {
        remove_slice(snapshot, name, change);
    } else {
        remove_node(snapshot, name.name, change);
    }
}

template <typename T>
std::map<ObjectName, T> objects_of_kind(const std::string& file, const std::vector<Object>& objects,
                                        std::vector<std::string>& warnings) {
    std::map<ObjectName, T> found;
    for (const Object& object : objects) {
        const T* const of_kind = std::get_if<T>(&object);
        if (of_kind != nullptr && !found.emplace(of_kind->name, *of_kind).second) {
            warnings.push_back(std::string(kind<T>) + ' ' + to_string(of_kind->name) + " is defined twice in " + file +
                               ": the first counts");
        }
    }
    return found;
}

}  // namespace

std::vector<std::string> ManifestSet::replace(const std::string& file, const std::vector<Object>& objects,
                                              Change& change) {
    std::vector<std::string> warnings;
    replace_kind(file, &File::services, objects_of_kind<Service>(file, objects, warnings), service_claims_, change, warnings);
    replace_kind(file, &File::slices, objects_of_kind<EndpointSlice>(file, objects, warnings), slice_claims_, change, warnings);
    replace_kind(file, &File::nodes, objects_of_kind<Node>(file, objects, warnings), node_claims_, change, warnings);
    if (objects.empty()) {
        files_.erase(file);
    }
    return warnings;
}

template <typename T>
void ManifestSet::replace_kind(const std::string& file, Objects<T> File::*member, Objects<T> objects, Claims& claims,
                               Change& change, std::vector<std::string>& warnings) {
    const Objects<T> before = std::exchange(files_[file].*member, std::move(objects));
    const Objects<T>& after = files_[file].*member;
    for (const auto& [name, object] : before) {
        if (!after.contains(name)) {
            claims[name].erase(file);
            settle(name, member, claims, change);
            if (claims[name].empty()) {
                claims.erase(name);
            }
        }
    }
    for (const auto& [name, object] : after) {
        std::set<std::string>& files = claims[name];
        if (files.insert(file).second && files.size() > 1) {
            const std::string& first = *files.begin();
            const std::string& other = first == file ? *std::next(files.begin()) : file;
            warnings.push_back(std::string(kind<T>) + ' ' + to_string(name) + " is defined in " + first + " and in " +
                               other + ": " + first + " counts");
        }
        settle(name, member, claims, change);
    }
}

template <typename T>
void ManifestSet::settle(const ObjectName& name, Objects<T> File::*member, const Claims& claims, Change& change) {
    const std::set<std::string>& files = claims.at(name);
    if (files.empty()) {
        remove<T>(snapshot_, name, change);
    } else {
        put(snapshot_, (files_.at(*files.begin()).*member).at(name), change);
    }
}

}  // namespace shunt
