// SPDX-License-Identifier: Apache-2.0
// What the API server said, as a Snapshot. Pure: no I/O, no clock, no log.
//
// An object that cannot be read keeps its last good state. It is no reason to prune either: one that could never be read
// may be what the maps still hold.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/decode/api_answer.h"
#include "agent/model/snapshot.h"
#include "agent/source/source.h"

namespace shunt {

class ObjectStore {
public:
    // A whole list of one kind: what is not in it is gone. Returns what newly cannot be read.
    std::vector<Error> replace(const std::string& kind, const ApiList& list);

    // One event, put or removed; others change nothing. Returns the same.
    std::optional<Error> take(const std::string& kind, const ApiEvent& event);

    const Snapshot& snapshot() const { return snapshot_; }
    Change take_change() { return std::exchange(change_, {}); }

    std::vector<BrokenInput> undecoded() const;
    bool has_never_decoded() const;

private:
    using Key = std::pair<std::string, ObjectName>;  // with the kind
    struct Undecoded {
        Error error;
        bool is_known;  // an earlier state is in the snapshot
    };

    struct Access;
    static const Access& access(const std::string& kind);  // Service, EndpointSlice or Node

    void put(const Object& object);
    std::optional<Error> note(const std::string& kind, const ObjectName& name, const Error& error);

    Snapshot snapshot_;
    Change change_;
    std::map<Key, Undecoded> undecoded_;
};

}  // namespace shunt
