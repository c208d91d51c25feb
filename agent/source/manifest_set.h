// SPDX-License-Identifier: Apache-2.0
// What a set of files defines together. Pure: no I/O, no clock, no log.
//
// Each object belongs to the alphabetically first file that defines it; if that file drops it, the next one takes
// over. Replacing a file costs what its old and new objects cost, however many others there are.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/decode/decode.h"
#include "agent/model/snapshot.h"

namespace shunt {

class ManifestSet {
public:
    // `file` now defines `objects`; none removes it. Adds to `change` what that changed, and returns a line for each
    // object that came to be defined twice, naming both files.
    std::vector<std::string> replace(const std::string& file, const std::vector<Object>& objects, Change& change);

    const Snapshot& snapshot() const { return snapshot_; }

private:
    template <typename T>
    using Objects = std::map<ObjectName, T>;
    using Claims = std::map<ObjectName, std::set<std::string>>;

    struct File {
        Objects<Service> services;
        Objects<EndpointSlice> slices;
        Objects<Node> nodes;
    };

    // One kind's part of replace(). `member` is its place in File, `claims` the files that define each object.
    template <typename T>
    void replace_kind(const std::string& file, Objects<T> File::*member, Objects<T> objects, Claims& claims,
                      Change& change, std::vector<std::string>& warnings);
    template <typename T>
    void settle(const ObjectName& name, Objects<T> File::*member, const Claims& claims, Change& change);

    std::map<std::string, File> files_;
    Claims service_claims_;
    Claims slice_claims_;
    Claims node_claims_;
    Snapshot snapshot_;
};

}  // namespace shunt
