// SPDX-License-Identifier: Apache-2.0
// Everything a source knows at one moment, and what of it changed since the moment before.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "agent/model/object.h"

namespace shunt {

struct Snapshot {
    std::map<ObjectName, Service> services;
    std::map<ObjectName, EndpointSlice> slices;
    std::map<std::string, Node> nodes;  // by name
    // service -> its slices, kept by whoever changes `slices`, so that one change never walks them all
    std::map<ObjectName, std::set<ObjectName>> slices_of_service;
};

struct Change {
    std::set<ObjectName> services;  // Services whose own object or whose slices were added, changed or removed
    bool nodes = false;             // some Node was added, changed or removed
    std::size_t service_objects = 0;  // how often a Service itself was added, changed or removed
    std::size_t slice_objects = 0;    // and an EndpointSlice of a Service
    bool empty() const { return services.empty() && !nodes; }
};

}  // namespace shunt
