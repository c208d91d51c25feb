// SPDX-License-Identifier: Apache-2.0
// What one scrape answers: families of metrics in Prometheus' text format. Names, units and suffixes follow
// https://prometheus.io/docs/practices/naming, which `promtool check metrics` looks after.
#pragma once

#include <prometheus/metric_family.h>

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace shunt {

inline constexpr const char* kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

class MetricPage {
public:
    // A reference stays good as long as the page. A family without values is left out of the text.
    prometheus::MetricFamily& counter(std::string name, std::string help);
    prometheus::MetricFamily& gauge(std::string name, std::string help);
    prometheus::MetricFamily& untyped(std::string name, std::string help);
    void histogram(std::string name, std::string help, prometheus::ClientMetric collected);

    std::string text() const;

private:
    prometheus::MetricFamily& add(prometheus::MetricType type, std::string name, std::string help);
    std::deque<prometheus::MetricFamily> families_;
};

// Not for histograms.
void put(prometheus::MetricFamily& family, double value, MetricLabels labels = {});

}  // namespace shunt
