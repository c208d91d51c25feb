// SPDX-License-Identifier: Apache-2.0
// How fast changes come into force: the metrics under kube-proxy's names, and shunt's own.
#pragma once

#include <prometheus/histogram.h>

#include <cstdint>
#include <set>

#include "agent/model/snapshot.h"
#include "agent/serve/metric_page.h"
#include "agent/serve/proxy_health.h"
#include "agent/serve/trigger_time.h"

namespace shunt {

class SyncMetrics {
public:
    explicit SyncMetrics(const Moment& start) : trigger_times_(start.wall) {}

    // `noticed_ns`: CLOCK_MONOTONIC.
    void queued(const Change& change, std::uint64_t noticed_ns);
    void failed() { failures_++; }
    // All that was queued is in force; the sync began at `began_ns`. `services`: those that changed.
    void in_force(const Snapshot& snapshot, const std::set<ObjectName>& services, std::uint64_t began_ns,
                  const Moment& now);

    void add_to(MetricPage& page, const ProxyHealth& health) const;

private:
    struct Changes {
        std::uint64_t total = 0;
        std::uint64_t pending = 0;
        void add(std::uint64_t count) {
            total += count;
            pending += count;
        }
    };

    Changes services_, slices_;
    std::uint64_t failures_ = 0;
    std::uint64_t oldest_ns_ = 0;  // the oldest change that is not in force; 0: none
    TriggerTimes trigger_times_;
    prometheus::Histogram sync_{exponential_buckets()};
    prometheus::Histogram in_force_{exponential_buckets()};
    prometheus::Histogram network_programming_{network_programming_buckets()};

    static prometheus::Histogram::BucketBoundaries exponential_buckets();          // 1 ms, doubled up to 16 s
    static prometheus::Histogram::BucketBoundaries network_programming_buckets();  // 0.25 s to 5 min
};

}  // namespace shunt
