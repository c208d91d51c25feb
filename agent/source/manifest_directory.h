// SPDX-License-Identifier: Apache-2.0
// A directory of Kubernetes manifests as a source: *.yaml, *.yml and *.json, not those that begin with a dot.
//
// A file that does not parse keeps its last good state as long as this object lives, and everything else goes on.
// The same holds for the directory: while it is gone, all that was read from it stays. Symbolic links are followed,
// and the swap of `..data` in a mounted ConfigMap reads all of it again; changes behind other links are not noticed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/snapshot.h"
#include "agent/source/directory_watch.h"
#include "agent/source/manifest_set.h"
#include "agent/source/source.h"
#include "agent/support/result.h"

namespace shunt {

class ManifestDirectory final : public Source {
public:
    explicit ManifestDirectory(std::string path);

    std::string name() const override { return "manifests " + path_; }

    // Begins to watch and reads everything. Fails only if the directory itself cannot be read, and may then be
    // called again; broken files are no failure.
    Result<Change> start() override;
    int fd() const override { return watch_.fd(); }

    // While the directory is gone it has to be called now and then: the return of a directory whose parent went too is
    // not announced.
    Change on_readable() override;

    const Snapshot& snapshot() const override { return manifests_.snapshot(); }

    // The directory, if it is gone, then the files by name.
    std::vector<BrokenInput> broken() const override;

    // False before the first read, and while a file that is there has never parsed: what is missing from the
    // snapshot may then be in that file, and nothing may be pruned. It can turn false again when a new file comes
    // that does not parse.
    bool knows_everything() const override { return has_read_all_ && never_parsed_.empty(); }

    // Since the directory is gone.
    std::chrono::seconds silence() const override;

private:
    Status read_everything(Change& change);
    void read_one(const std::string& name, Change& change);
    void accept(const std::string& name, const DecodedFile& decoded, Change& change);
    void reject(const std::string& name, Error error);
    void forget(const std::string& name, Change& change);
    void lose(Error error);
    std::string path_of(const std::string& name) const { return path_ + '/' + name; }

    std::string path_;
    DirectoryWatch watch_;
    ManifestSet manifests_;
    // Each file that is there -> size and hash of the text that was last decoded; nothing if it could not be read.
    std::map<std::string, std::optional<std::pair<std::size_t, std::size_t>>> versions_;
    std::map<std::string, Error> broken_;
    std::set<std::string> never_parsed_;
    std::optional<Error> lost_;
    std::chrono::steady_clock::time_point lost_since_;  // of `lost_`
    bool has_read_all_ = false;
};

}  // namespace shunt
