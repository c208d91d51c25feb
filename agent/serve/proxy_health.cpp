// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/proxy_health.h"
#include "agent/support/clock.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>

namespace shunt {
namespace {

constexpr const char* kToBeDeleted = "ToBeDeletedByClusterAutoscaler";

// As Go prints a time: "2026-11-23 09:41:34.625058417 +0000 UTC".
std::string text_of(std::chrono::system_clock::time_point when) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count();
    const std::time_t seconds = ns / 1'000'000'000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char date[32];
    std::strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &parts);
    return fmt::format("{}.{:09} +0000 UTC", date, ns % 1'000'000'000);
}

}  // namespace

Moment Moment::now() {
    return {shunt::monotonic_ns(), std::chrono::system_clock::now()};
}

void ProxyHealth::queued(const Moment& now) {
    waiting_since_ns_ = waiting_since_ns_.value_or(now.monotonic_ns);
    last_queued_ = now.wall;
}

void ProxyHealth::in_force(const Moment& now) {
    waiting_since_ns_.reset();
    last_in_force_ = now.wall;
}

void ProxyHealth::see_node(const Node* node) {
    if (node != nullptr) {
        is_node_eligible_ =
            !node->is_being_deleted && std::ranges::find(node->taints, kToBeDeleted) == node->taints.end();
    }
}

bool ProxyHealth::is_healthy(std::uint64_t monotonic_ns) const {
    return !waiting_since_ns_ || monotonic_ns < *waiting_since_ns_ + kQueuedAtMostNs;
}

HttpResponse ProxyHealth::healthz(const Moment& now) const {
    return response(now, true);
}
HttpResponse ProxyHealth::livez(const Moment& now) const {
    return response(now, false);
}

// `lastUpdated` is the present while all is well: that is how kube-proxy keeps those happy who compare the two.
HttpResponse ProxyHealth::response(const Moment& now, bool with_node) const {
    const bool is_current = is_healthy(now.monotonic_ns);
    const bool healthy = is_current && (is_node_eligible_ || !with_node);
    const auto updated = healthy ? now.wall : last_in_force_.value_or(std::chrono::system_clock::time_point());
    return {
        .status = healthy ? 200U : 503U,
        .content_type = "application/json",
        .headers = {{"X-Content-Type-Options", "nosniff"}},
        .body = fmt::format(R"({{"lastUpdated": "{}","currentTime": "{}",{} "healthy": {}}})", text_of(updated),
                            text_of(now.wall),
                            with_node ? fmt::format(R"( "nodeEligible": {},)", is_node_eligible_) : "", healthy),
    };
}

}  // namespace shunt
