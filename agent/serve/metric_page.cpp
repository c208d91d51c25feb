// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/metric_page.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace shunt {

using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily& MetricPage::add(MetricType type, std::string name, std::string help) {
    return families_.emplace_back(MetricFamily{std::move(name), std::move(help), type, {}});
}

MetricFamily& MetricPage::counter(std::string name, std::string help) {
    return add(MetricType::Counter, std::move(name), std::move(help));
}
MetricFamily& MetricPage::gauge(std::string name, std::string help) {
    return add(MetricType::Gauge, std::move(name), std::move(help));
}
MetricFamily& MetricPage::untyped(std::string name, std::string help) {
    return add(MetricType::Untyped, std::move(name), std::move(help));
}
void MetricPage::histogram(std::string name, std::string help, prometheus::ClientMetric collected) {
    add(MetricType::Histogram, std::move(name), std::move(help)).metric.push_back(std::move(collected));
}

std::string MetricPage::text() const {
    std::vector<MetricFamily> filled;
    std::ranges::copy_if(families_, std::back_inserter(filled),
                         [](const MetricFamily& family) { return !family.metric.empty(); });
    return prometheus::TextSerializer().Serialize(filled);
}

void put(MetricFamily& family, double value, MetricLabels labels) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    switch (family.type) {
        case MetricType::Counter:
            metric.counter.value = value;
            break;
        case MetricType::Gauge:
            metric.gauge.value = value;
            break;
        default:
            metric.untyped.value = value;
    }
    family.metric.push_back(std::move(metric));
}

}  // namespace shunt
