// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/api_source.h"

#include <algorithm>
#include <utility>

#include "agent/support/log.h"

namespace shunt {

Result<std::unique_ptr<ApiSource>> ApiSource::open(const ApiOptions& options, const std::string& node_name) {
    auto access = find_cluster_access(options);
    if (!access) {
        return std::unexpected(access.error());
    }
    if (!access->verify) {
        log::warn("{}: the API server's certificate is not verified (insecure-skip-tls-verify)", access->from);
    }
    auto http = open_http_client(*access);
    if (!http) {
        return std::unexpected(http.error());
    }
    return std::make_unique<ApiSource>(std::move(*access), std::move(*http), node_name, ListWatchTiming());
}

ApiSource::ApiSource(ClusterAccess access, std::unique_ptr<HttpClient> http, const std::string& node_name,
                     ListWatchTiming timing)
    : access_(std::move(access)),
      timing_(std::move(timing)),
      http_(std::move(http)),
      parts_{ListWatch(services(), *http_, [this] { return bearer_token(access_); }, store_, timing_),
             ListWatch(endpoint_slices(), *http_, [this] { return bearer_token(access_); }, store_, timing_),
             ListWatch(node(node_name), *http_, [this] { return bearer_token(access_); }, store_, timing_)} {}

Change ApiSource::on_readable() {
    http_->run();
    std::optional<SteadyClock::time_point> next;
    for (ListWatch& part : parts_) {
        part.run();
        if (const auto due = part.due(); due && (!next || *due < *next)) {
            next = due;
        }
    }
    http_->wake_at(next);
    has_listed_all_ = has_listed_all_ || std::ranges::all_of(parts_, &ListWatch::has_listed);
    return has_listed_all_ ? store_.take_change() : Change();
}

std::optional<Error> ApiSource::trouble() const {
    for (const ListWatch& part : parts_) {
        if (part.trouble()) {
            return part.trouble();
        }
    }
    return std::nullopt;
}

std::string ApiSource::missing() const {
    std::string kinds;
    for (const ListWatch& part : parts_) {
        if (!part.has_listed()) {
            kinds += (kinds.empty() ? "" : ", ") + part.resource().plural;
        }
    }
    return kinds.empty() ? "" : "the first list of " + kinds + " from " + access_.server;
}

std::chrono::seconds ApiSource::silence() const {
    const auto longest_ago = std::ranges::min_element(parts_, {}, &ListWatch::last_heard)->last_heard();
    return std::chrono::duration_cast<std::chrono::seconds>(timing_.now() - longest_ago);
}

}  // namespace shunt
