// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/sync_metrics.h"

#include <algorithm>

namespace shunt {
namespace {

double seconds(std::uint64_t ns) {
    return static_cast<double>(ns) / 1e9;
}

double unix_seconds(std::chrono::system_clock::time_point when) {
    return std::chrono::duration<double>(when.time_since_epoch()).count();
}

}  // namespace

void SyncMetrics::queued(const Change& change, std::uint64_t noticed_ns) {
    services_.add(change.service_objects);
    slices_.add(change.slice_objects);
    if (!change.empty() && oldest_ns_ == 0) {
        oldest_ns_ = noticed_ns;
    }
}

void SyncMetrics::in_force(const Snapshot& snapshot, const std::set<ObjectName>& services, std::uint64_t began_ns,
                           const Moment& now) {
    sync_.Observe(seconds(now.monotonic_ns - began_ns));
    if (oldest_ns_ != 0) {
        in_force_.Observe(seconds(now.monotonic_ns - oldest_ns_));
    }
    for (const ObjectName& service : services) {
        for (const auto& trigger : trigger_times_.news(snapshot, service)) {
            // The controller's clock may be ahead of ours.
            network_programming_.Observe(std::max(0.0, unix_seconds(now.wall) - unix_seconds(trigger)));
        }
    }
    oldest_ns_ = 0;
    services_.pending = slices_.pending = 0;
}

void SyncMetrics::add_to(MetricPage& page, const ProxyHealth& health) const {
    page.histogram("kubeproxy_sync_proxy_rules_duration_seconds", "How long it took to bring changes into the maps.",
                   sync_.Collect());
    page.histogram(
        "kubeproxy_network_programming_duration_seconds",
        "From the change of an endpoint, as the EndpointSlice controller noted it, until it was in force here.",
        network_programming_.Collect());
    page.histogram("shunt_change_in_force_seconds", "From when the agent noticed a change until it was in force.",
                   in_force_.Collect());
    put(page.counter("shunt_sync_failures_total", "Changes that the maps did not take; they are tried again."),
        static_cast<double>(failures_));

    auto& last = page.gauge("kubeproxy_sync_proxy_rules_last_timestamp_seconds",
                            "When all known changes were last in force, as Unix time; 0: not since the agent started.");
    put(last, health.last_in_force() ? unix_seconds(*health.last_in_force()) : 0);
    auto& queued = page.gauge("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
                              "When a change was last noticed, as Unix time.");
    put(queued, health.last_queued() ? unix_seconds(*health.last_queued()) : 0);

    put(page.gauge("kubeproxy_sync_proxy_rules_endpoint_changes_pending",
                   "Changes of EndpointSlices that are not in force yet."),
        static_cast<double>(slices_.pending));
    put(page.counter("kubeproxy_sync_proxy_rules_endpoint_changes_total", "Changes of EndpointSlices noticed."),
        static_cast<double>(slices_.total));
    put(page.gauge("kubeproxy_sync_proxy_rules_service_changes_pending",
                   "Changes of Services that are not in force yet."),
        static_cast<double>(services_.pending));
    put(page.counter("kubeproxy_sync_proxy_rules_service_changes_total", "Changes of Services noticed."),
        static_cast<double>(services_.total));
}

prometheus::Histogram::BucketBoundaries SyncMetrics::exponential_buckets() {
    prometheus::Histogram::BucketBoundaries bounds;
    for (double bound = 0.001; bounds.size() < 15; bound *= 2) {
        bounds.push_back(bound);
    }
    return bounds;
}

prometheus::Histogram::BucketBoundaries SyncMetrics::network_programming_buckets() {
    prometheus::Histogram::BucketBoundaries bounds = {0.25, 0.5};
    const auto up_to = [&](double end, double step) {
        while (bounds.back() < end) {
            bounds.push_back(bounds.back() + step);
        }
    };
    up_to(1, 0.5);
    up_to(60, 1);
    up_to(120, 5);
    up_to(300, 30);
    return bounds;
}

}  // namespace shunt
