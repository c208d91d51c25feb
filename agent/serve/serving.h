// SPDX-License-Identifier: Apache-2.0
// What the agent serves over HTTP, in its own event loop: /healthz and /livez, /metrics, and in the place of kube-proxy
// the healthCheckNodePorts. The agent tells it what changes; what a scrape needs besides, it asks for.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/model/snapshot.h"
#include "agent/report/pinned_maps.h"
#include "agent/serve/health_node_ports.h"
#include "agent/serve/http_listener.h"
#include "agent/serve/local_endpoints.h"
#include "agent/serve/proxy_health.h"
#include "agent/serve/sync_metrics.h"

namespace shunt {

struct ServeOptions {
    std::optional<AddressPort> healthz;  // none: not served
    std::optional<AddressPort> metrics;
    bool health_node_ports = false;
    std::string node_name;
    std::string pin_dir;
    std::uint32_t snat_ports = 0;  // of the range
    HttpLimits limits{};
};

struct MapUse {
    const char* map = "";
    std::uint64_t entries = 0;
    std::uint64_t limit = 0;
};

// The agent's own, at the time of a scrape.
struct AgentFacts {
    bool is_synced = false;
    bool is_source_complete = false;    // all that it holds was read: what it does not name may be removed
    std::uint64_t source_stale_ns = 0;  // how long the source could not be read; 0: it can
    std::uint64_t broken_files = 0;
    std::vector<MapUse> maps;
};

class Serving {
public:
    // `loop` must outlive this, and what `facts` refers to as well.
    Serving(boost::asio::io_context& loop, ServeOptions options, std::function<AgentFacts()> facts);
    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;

    // A change was noticed; `snapshot` holds it already. `noticed_ns`: CLOCK_MONOTONIC.
    void queued(const Snapshot& snapshot, const Change& change, std::uint64_t noticed_ns);

    // All that was queued is in force, by a sync that began at `began_ns`.
    void in_force(const Snapshot& snapshot, std::uint64_t began_ns);

    // The maps did not take it; it is tried again.
    void failed() { sync_metrics_.failed(); }

    // Why a port is not listened on now; of several, the first.
    std::optional<Error> error() const;

private:
    HttpResponse answer_health(std::string_view path);
    HttpResponse answer_metrics(std::string_view path);
    std::string metrics_text();
    void add_agent_metrics(MetricPage& page) const;
    void add_map_metrics(MetricPage& page);
    Status open_maps();
    void update_local(const Snapshot& snapshot, const std::set<ObjectName>& services);

    const ServeOptions options_;
    const std::function<AgentFacts()> facts_;
    ProxyHealth health_;
    SyncMetrics sync_metrics_;
    std::set<ObjectName> changed_;                                       // since all was in force
    bool all_changed_ = true;                                            // before the first time
    std::map<ObjectName, LocalEndpoints> local_;                         // of the Services with policy Local
    std::map<unsigned, std::uint64_t> healthz_answers_, livez_answers_;  // by status
    std::uint64_t read_errors_ = 0;
    std::optional<PinnedMaps> maps_;
    std::optional<FlowTables> tables_;
    std::string metrics_text_;
    std::uint64_t metrics_at_ns_ = 0;  // when it was made
    HealthNodePorts health_node_ports_;
    std::vector<HttpListener> listeners_;
};

}  // namespace shunt
