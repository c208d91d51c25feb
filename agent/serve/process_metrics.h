// SPDX-License-Identifier: Apache-2.0
// The process_… metrics that every Prometheus client has, of this process; from /proc and getrusage(2).
#pragma once

#include "agent/serve/metric_page.h"

namespace shunt {

void add_process_metrics(MetricPage& page);

}  // namespace shunt
