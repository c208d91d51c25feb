// SPDX-License-Identifier: Apache-2.0
// The only way a source changes a Snapshot: each edit keeps `slices_of_service` and notes in `change` what it
// touched. Putting an object equal to the one that is there, or removing one that is not there, changes nothing.
// No edit costs more when there are more other objects, but for the logarithm of a map.
#pragma once

#include "agent/model/snapshot.h"

namespace shunt {

void put(Snapshot& snapshot, const Service& service, Change& change);
void put(Snapshot& snapshot, const EndpointSlice& slice, Change& change);
void put(Snapshot& snapshot, const Node& node, Change& change);

void remove_service(Snapshot& snapshot, const ObjectName& name, Change& change);
void remove_slice(Snapshot& snapshot, const ObjectName& name, Change& change);
void remove_node(Snapshot& snapshot, const std::string& name, Change& change);

}  // namespace shunt
