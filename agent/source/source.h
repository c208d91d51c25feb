// SPDX-License-Identifier: Apache-2.0
// Where Services, EndpointSlices and Nodes come from: a directory of manifests, or the Kubernetes API. Everything happens
// in the agent's one thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/model/snapshot.h"
#include "agent/support/result.h"

namespace shunt {

// A file or an object that cannot be read.
struct BrokenInput {
    std::string path;  // of the file; of an object "Service shop/orders-service"
    Error error;
};

class Source {
public:
    Source() = default;
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;
    virtual ~Source() = default;

    // For people: "manifests /etc/shunt/manifests".
    virtual std::string name() const = 0;

    // Begins. What is known at once is in the Change.
    virtual Result<Change> start() = 0;

    // Readable when on_readable() has something to do; -1 before start(). The same descriptor ever after.
    virtual int fd() const = 0;

    // Never blocks. May be called without need, and should be every few seconds.
    virtual Change on_readable() = 0;

    virtual const Snapshot& snapshot() const = 0;

    // False while something that may exist is not in the snapshot: nothing may be pruned then.
    virtual bool knows_everything() const = 0;

    // What cannot be read now; the last good state of each stays in the snapshot.
    virtual std::vector<BrokenInput> broken() const = 0;

    // Why the source as a whole, or a part of it, does not answer; what it said last stays in the snapshot.
    virtual std::optional<Error> trouble() const { return std::nullopt; }

    // What the snapshot waits for before it says anything at all; empty: for nothing.
    virtual std::string missing() const { return {}; }

    // Since the source was last heard of, the part of it that is silent longest. 0 for one that is always there.
    virtual std::chrono::seconds silence() const { return std::chrono::seconds(0); }
};

}  // namespace shunt
