// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/serving.h"

#include <sys/resource.h>

#include <utility>

#include "agent/serve/datapath_metrics.h"
#include "agent/serve/process_metrics.h"
#include "agent/serve/refusal.h"
#include "agent/support/clock.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

// A scrape reads all maps, so that more than one a second would be time taken from changes.
constexpr std::uint64_t kMetricsGoodForNs = 1'000'000'000;

// One descriptor for each listener: the soft limit of many systems is 1,024.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

HttpResponse not_found(const char* what_is_there) {
    return {.status = 404, .body = std::string("Not found. Here are: ") + what_is_there + "\n"};
}

void add_answers(MetricPage& page, const char* name, const char* help,
                 const std::map<unsigned, std::uint64_t>& answers) {
    auto& family = page.counter(name, help);
    for (const auto& [status, count] : answers) {
        put(family, static_cast<double>(count), {{"code", std::to_string(status)}});
    }
}

}  // namespace

Serving::Serving(boost::asio::io_context& loop, ServeOptions options, std::function<AgentFacts()> facts)
    : options_(std::move(options)),
      facts_(std::move(facts)),
      sync_metrics_(Moment::now()),
      health_node_ports_(loop, [this] { return health_.is_healthy(monotonic_ns()); }) {
    raise_descriptor_limit();
    if (options_.healthz) {
        listeners_.emplace_back(
            loop, *options_.healthz, "healthz", [this](std::string_view path) { return answer_health(path); },
            options_.limits);
    }
    if (options_.metrics) {
        listeners_.emplace_back(
            loop, *options_.metrics, "metrics", [this](std::string_view path) { return answer_metrics(path); },
            options_.limits);
    }
}

void Serving::queued(const Snapshot& snapshot, const Change& change, std::uint64_t noticed_ns) {
    Moment noticed = Moment::now();
    noticed.monotonic_ns = noticed_ns;
    health_.queued(noticed);
    sync_metrics_.queued(change, noticed_ns);
    changed_.insert(change.services.begin(), change.services.end());
    const auto node = snapshot.nodes.find(options_.node_name);
    health_.see_node(node == snapshot.nodes.end() ? nullptr : &node->second);
}

void Serving::in_force(const Snapshot& snapshot, std::uint64_t began_ns) {
    const Moment now = Moment::now();
    if (std::exchange(all_changed_, false)) {
        for (const auto& [name, service] : snapshot.services) {
            changed_.insert(name);
        }
    }
    update_local(snapshot, changed_);
    health_.in_force(now);
    sync_metrics_.in_force(snapshot, changed_, began_ns, now);
    changed_.clear();
}

void Serving::update_local(const Snapshot& snapshot, const std::set<ObjectName>& services) {
    const auto node = snapshot.nodes.find(options_.node_name);
    if (options_.health_node_ports && node != snapshot.nodes.end()) {
        health_node_ports_.set_addresses(node->second.internal_ips);
    }
    // Those that go first: another may want the port.
    for (const ObjectName& name : services) {
        if (auto local = local_endpoints(snapshot, name, options_.node_name)) {
            local_[name] = *std::move(local);
        } else {
            local_.erase(name);
            health_node_ports_.set(name, std::nullopt);
        }
    }
    for (const ObjectName& name : services) {
        if (const auto local = local_.find(name); options_.health_node_ports && local != local_.end()) {
            health_node_ports_.set(name, local->second);
        }
    }
}

std::optional<Error> Serving::error() const {
    for (const HttpListener& listener : listeners_) {
        if (listener.error()) {
            return listener.error();
        }
    }
    return health_node_ports_.error();
}

HttpResponse Serving::answer_health(std::string_view path) {
    const Moment now = Moment::now();
    const bool is_healthz = path == "/healthz";
    if (!is_healthz && path != "/livez") {
        return not_found("/healthz, /livez");
    }
    HttpResponse response = is_healthz ? health_.healthz(now) : health_.livez(now);
    (is_healthz ? healthz_answers_ : livez_answers_)[response.status]++;
    return response;
}

HttpResponse Serving::answer_metrics(std::string_view path) {
    if (path != "/metrics") {
        return not_found("/metrics");
    }
    const std::uint64_t now_ns = monotonic_ns();
    if (metrics_text_.empty() || now_ns - metrics_at_ns_ >= kMetricsGoodForNs) {
        metrics_text_ = metrics_text();
        metrics_at_ns_ = now_ns;
    }
    return {.content_type = kMetricsContentType, .body = metrics_text_};
}

std::string Serving::metrics_text() {
    const std::uint64_t begin_ns = monotonic_ns();
    MetricPage page;
    add_agent_metrics(page);
    sync_metrics_.add_to(page, health_);
    add_map_metrics(page);
    add_process_metrics(page);
    put(page.gauge("shunt_scrape_duration_seconds", "How long it took to gather this text, in the agent's event loop."),
        static_cast<double>(monotonic_ns() - begin_ns) / 1e9);
    return page.text();
}

void Serving::add_agent_metrics(MetricPage& page) const {
    const AgentFacts facts = facts_();
    add_build_metrics(page, false);
    put(page.gauge("shunt_synced", "1: the maps hold what the source says."), facts.is_synced);
    put(page.gauge("shunt_source_complete",
                   "1: all of the source was read since the agent started; 0: nothing is pruned."),
        facts.is_source_complete);
    put(page.gauge("shunt_source_stale_seconds", "For how long the source could not be read; 0: it can."),
        static_cast<double>(facts.source_stale_ns) / 1e9);
    put(page.gauge("shunt_source_broken_files", "Manifests whose last good state is in force, or that never parsed."),
        static_cast<double>(facts.broken_files));
    auto& entries = page.gauge("shunt_map_entries", "Entries in use of a pinned map.");
    auto& limit = page.gauge("shunt_map_entries_limit", "How many entries a pinned map has room for.");
    for (const MapUse& use : facts.maps) {
        put(entries, static_cast<double>(use.entries), {{"map", use.map}});
        put(limit, static_cast<double>(use.limit), {{"map", use.map}});
    }
    put(page.gauge("shunt_snat_ports_limit", "Source ports towards one backend (--snat-ports)."), options_.snat_ports);

    add_answers(page, "kubeproxy_proxy_healthz_total", "Answers of /healthz, by status.", healthz_answers_);
    add_answers(page, "kubeproxy_proxy_livez_total", "Answers of /livez, by status.", livez_answers_);
    std::map<address_family, std::size_t> without{{IPV4, 0}, {IPV6, 0}};
    for (const auto& [name, local] : local_) {
        for (const auto& [family, ports] : local.ports_without) {
            without[family] += ports;
        }
    }
    // A gauge with a counter's suffix at kube-proxy. Untyped it keeps its name and is no offence to promtool.
    auto& no_local = page.untyped("kubeproxy_sync_proxy_rules_no_local_endpoints_total",
                                  "Service ports with traffic policy Local and no endpoint on this node.");
    for (const auto& [family, count] : without) {
        put(no_local, static_cast<double>(count),
            {{"ip_family", std::string(word(family))}, {"traffic_policy", "external"}});
    }
    put(page.gauge("shunt_health_node_ports", "Services whose healthCheckNodePort is served (--replace)."),
        static_cast<double>(health_node_ports_.size()));
    std::size_t not_listening = health_node_ports_.not_listening();
    for (const HttpListener& listener : listeners_) {
        not_listening += listener.error().has_value();
    }
    put(page.gauge("shunt_ports_not_listening",
                   "Ports of the agent itself that cannot be bound now; they are tried again."),
        static_cast<double>(not_listening));
}

// Opened once: they are the agent's own, whatever becomes of their pins.
Status Serving::open_maps() {
    if (!tables_) {
        auto maps = PinnedMaps::open(options_.pin_dir);
        if (!maps) {
            return std::unexpected(maps.error());
        }
        auto tables = maps->flows();
        if (!tables) {
            return std::unexpected(tables.error());
        }
        maps_ = std::move(*maps);
        tables_ = std::move(*tables);
    }
    return {};
}

void Serving::add_map_metrics(MetricPage& page) {
    const Status opened = open_maps();
    const Result<DatapathFacts> read =
        opened ? read_datapath(*maps_, *tables_) : Result<DatapathFacts>(std::unexpected(opened.error()));
    if (read) {
        add_datapath_metrics(page, *read);
    } else {
        read_errors_++;
        log::warn("metrics: {}", read.error().message());
    }
    put(page.counter("shunt_map_read_errors_total",
                     "Scrapes without the figures of the maps, which could not be read."),
        static_cast<double>(read_errors_));
}

}  // namespace shunt
