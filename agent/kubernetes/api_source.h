// SPDX-License-Identifier: Apache-2.0
// The Kubernetes API as a source: Services, EndpointSlices and the own Node by list and watch.
//
// The snapshot stays empty until each of the three was listed once: Services without their EndpointSlices would be
// Services without endpoints. From then on it is never emptied but by what the server says; while the server is away,
// everything stays as it was.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "agent/kubernetes/cluster_access.h"
#include "agent/kubernetes/http.h"
#include "agent/kubernetes/list_watch.h"
#include "agent/kubernetes/object_store.h"
#include "agent/source/source.h"

namespace shunt {

class ApiSource final : public Source {
public:
    // Fails if there is no way to the server in the options; a server that does not answer is no failure.
    static Result<std::unique_ptr<ApiSource>> open(const ApiOptions& options, const std::string& node_name);

    ApiSource(ClusterAccess access, std::unique_ptr<HttpClient> http, const std::string& node_name, ListWatchTiming timing);

    std::string name() const override { return "API server " + access_.server; }
    Result<Change> start() override { return on_readable(); }
    int fd() const override { return http_->fd(); }
    Change on_readable() override;
    const Snapshot& snapshot() const override { return has_listed_all_ ? store_.snapshot() : nothing_; }
    bool knows_everything() const override { return has_listed_all_ && !store_.has_never_decoded(); }
    std::vector<BrokenInput> broken() const override { return store_.undecoded(); }
    std::optional<Error> trouble() const override;
    std::string missing() const override;
    std::chrono::seconds silence() const override;

private:
    ClusterAccess access_;
    ListWatchTiming timing_;
    std::unique_ptr<HttpClient> http_;
    ObjectStore store_;
    std::array<ListWatch, 3> parts_;  // after what they use
    Snapshot nothing_;
    bool has_listed_all_ = false;
};

}  // namespace shunt
