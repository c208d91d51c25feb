// SPDX-License-Identifier: Apache-2.0
// What the pinned maps say, as metrics. Cardinality is bounded by what this file and maps/ say: reasons and events are
// those of maps/event.def, devices at most kDevicesShown, and of the served Service ports the first kServicesShown by
// id have series of their own (an id is theirs as long as they live); `shunt_services_without_series` counts the rest.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "agent/report/device_view.h"
#include "agent/report/pinned_maps.h"
#include "agent/serve/flow_use.h"
#include "agent/serve/metric_page.h"

namespace shunt {

inline constexpr std::size_t kServicesShown = 1000;
inline constexpr std::size_t kDevicesShown = 100;

struct DatapathFacts {
    std::array<std::uint64_t, EVENT_COUNT> events{};
    std::map<std::uint32_t, service> services;
    std::map<std::uint32_t, service_counters> service_counts;
    std::vector<DeviceRow> devices;
    FlowUse use;
    std::uint64_t max_flows = 0;  // per family
};

// `tables`: of `maps`.
Result<DatapathFacts> read_datapath(const PinnedMaps& maps, const FlowTables& tables);

void add_datapath_metrics(MetricPage& page, const DatapathFacts& facts);

}  // namespace shunt
