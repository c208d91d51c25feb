// SPDX-License-Identifier: Apache-2.0
// `shunt agent`: what it does at the start, and what each event makes it do. The datapath needs none of it to go
// on: everything that traffic needs is pinned before the loop begins, and stays when it ends.
#include "agent/command/agent.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <malloc.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "agent/check/check.h"
#include "agent/datapath/agent_report.h"
#include "agent/datapath/drain.h"
#include "agent/datapath/served_devices.h"
#include "agent/datapath/programs.h"
#include "agent/datapath/service_sync.h"
#include "agent/network/devices.h"
#include "agent/network/neighbours.h"
#include "agent/network/route_monitor.h"
#include "agent/network/reserved_ports.h"
#include "agent/report/iterators.h"
#include "agent/kubernetes/api_source.h"
#include "agent/serve/refusal.h"
#include "agent/serve/serving.h"
#include "agent/source/manifest_directory.h"
#include "agent/support/clock.h"
#include "agent/support/log.h"
#include "agent/support/memory_limit.h"
#include "maps/control.h"

namespace shunt {
namespace {

using namespace std::chrono_literals;

constexpr int kUpkeepEverySeconds = 5;
constexpr std::size_t kProbesEverySecond = 16;
constexpr int kNeighboursEverySeconds = 30;  // lost managed entries are put back at the latest then

ServeOptions serve_options(const AgentOptions& options) {
    return {
        .healthz = options.healthz,
        .metrics = options.metrics,
        .health_node_ports = options.replace,
        .node_name = options.node_name,
        .pin_dir = options.pin_dir,
        .snat_ports = options.snat_port_max - options.snat_port_min + 1U,
    };
}

// The own Node's addresses and the devices that were named.
DeviceSelection device_selection(const AgentOptions& options, const Source& source) {
    const auto& nodes = source.snapshot().nodes;
    const auto node = nodes.find(options.node_name);
    return {.node_addresses = node == nodes.end() ? std::vector<IpAddress>() : node->second.internal_ips,
            .names = options.devices};
}

class Agent {
public:
    Agent(const AgentOptions& options, PinDirectory& pins, Programs& programs, Source& source,
          RouteMonitor& monitor, ServiceSync& sync)
        : options_(options),
          programs_(programs),
          source_(source),
          monitor_(monitor),
          sync_(sync),
          devices_(pins, programs, {.mode = options.mode, .xdp_chain = options.xdp_chain}),
          report_(programs.map("agent_state"), options.node_name, source.name()),
          source_events_(io_, source.fd()),
          netlink_(io_, monitor.fd()),
          signals_(io_, SIGINT, SIGTERM),
          second_(io_),
          serving_(io_, serve_options(options), [this] { return facts(); }) {
        report_.state().snat_port_min = options.snat_port_min;
        report_.state().snat_port_max = options.snat_port_max;
    }

    ~Agent() {
        // The descriptors are their owners' to close.
        source_events_.release();
        netlink_.release();
    }

    // `first`: what the source held at the start.
    void run(const Change& first) {
        beat();
        raise_route_epoch();  // what changed while no agent ran, nobody knows
        take_note_of_drain();
        find_devices();
        find_addresses();
        bring_into_force(first, monotonic_ns());
        wait_for_source();
        wait_for_network();
        wait_for_second();
        signals_.async_wait([this](const boost::system::error_code& error, int signal) {
            if (!error) {
                log::info("signal {}: the agent ends, the datapath goes on", signal);
                io_.stop();
            }
        });
        io_.run();
    }

private:
    void beat() {
        programs_.control_page()->heartbeat = static_cast<std::uint32_t>(monotonic_ns() >> TICK_SHIFT);
        report_.state().source_silence_s = static_cast<std::uint32_t>(source_.silence().count());
        report_.publish();
    }

    void raise_route_epoch() { programs_.control_page()->route_epoch++; }

    // `shunt drain` says it in the map, so that it holds also without an agent, and for the next one.
    void take_note_of_drain() {
        const control_drain drain = drain_state(*programs_.control_page());
        if (drain == drain_) {
            return;
        }
        if (drain == DRAIN_NONE) {
            log::info("new flows are shunt's again");
        } else {
            log::warn("{} (shunt drain --cancel takes that back)",
                      drain == DRAIN_DETACHED ? "drained: no program is attached to any device"
                                              : "draining: new flows are left to kube-proxy, old ones go on");
        }
        devices_due_ = devices_due_ || drain_ == DRAIN_DETACHED;
        drain_ = drain;
    }

    // Which devices are external, and our programs on them.
    void find_devices() {
        if (drain_ == DRAIN_DETACHED) {
            return;
        }
        const DeviceSelection selection = device_selection(options_, source_);
        if (selection.node_addresses.empty() && selection.names.empty()) {
            return;  // nothing is taken off for want of knowledge
        }
        auto found = discover(selection);
        if (!found) {
            complain(found.error());
            return;
        }
        Status served = devices_.serve(*found);
        // Some drivers can send for XDP only once a program is attached.
        if (auto again = discover(selection); again && *again != *found) {
            found = std::move(again);
            served = devices_.serve(*found);
        }
        network_error_ = served ? std::optional<Error>() : served.error();
        if (!served) {
            log::error("{}", served.error().message());
        }
        Watch watch{.external = {}, .node_addresses = selection.node_addresses, .names = selection.names};
        snat_addresses_.clear();
        for (const ExternalDevice& device : *found) {
            watch.external.insert(device.ifindex);
            for (const auto& address : {device.ipv4, device.ipv6}) {
                if (address) {
                    snat_addresses_.insert(*address);
                }
            }
        }
        external_ = watch.external;
        monitor_.watch(std::move(watch));
        keep_neighbours();
    }

    // Of this node's devices. If they cannot be read those of before count. True: they changed.
    bool find_addresses() {
        auto found = device_addresses();
        if (!found) {
            complain(found.error());
            addresses_due_ = true;
            return false;
        }
        const bool changed = device_addresses_ != *found;
        device_addresses_ = std::move(*found);
        return changed;
    }

    // The next hops that flows depend on stay resolved.
    void keep_neighbours() {
        std::vector<IpAddress> targets;
        for (const auto& [name, node] : source_.snapshot().nodes) {
            if (name != options_.node_name) {
                targets.insert(targets.end(), node.internal_ips.begin(), node.internal_ips.end());
            }
        }
        for (const auto& [address, backends] : sync_.state().remote_addresses) {
            targets.push_back(address);
        }
        if (auto report = neighbours_.reconcile(external_, targets); !report) {
            complain(report.error());
        }
    }

    // Plans and carries out; `noticed_ns`: when the change was noticed.
    void bring_into_force(const Change& change, std::uint64_t noticed_ns) {
        serving_.queued(source_.snapshot(), change, noticed_ns);
        const std::uint64_t began_ns = monotonic_ns();
        const PlanOptions options{
            .node_name = options_.node_name,
            .snat_addresses = snat_addresses_,
            .snat_port_min = options_.snat_port_min,
            .snat_port_max = options_.snat_port_max,
            .prune = source_.knows_everything(),
            .node_port_addresses = options_.node_port_addresses,
            .device_addresses = device_addresses_,
            .cluster_ranges = options_.cluster_ranges,
            .now_ns = began_ns,
        };
        const auto done = sync_.sync(source_.snapshot(), change, options);
        pruned_ = options.prune;
        agent_state& state = report_.state();
        sync_error_ = done ? std::optional<Error>() : done.error();
        report_errors();
        if (!done) {
            log::error("{}", done.error().message());
            serving_.failed();
            state.sync = AGENT_WAITING;
            report_.set_waiting_for("the maps to take the last change; it is tried again every few seconds");
        } else {
            const std::string missing = source_.missing();
            const std::string& waiting_for = missing.empty() ? done->waiting_for : missing;
            state.sync = waiting_for.empty() ? AGENT_SYNCED : AGENT_WAITING;
            report_.set_waiting_for(waiting_for);
            if (waiting_for != waiting_for_ && !waiting_for.empty()) {
                log::warn("waiting for {}", waiting_for);
            }
            waiting_for_ = waiting_for;
            if (waiting_for_.empty()) {
                serving_.in_force(source_.snapshot(), began_ns);
            }
            if (done->operations != 0) {
                state.last_change_ns = monotonic_ns();
                state.last_in_force_ns = state.last_change_ns - noticed_ns;
                log::info("{} map operations in force after {:.1f} ms", done->operations,
                          static_cast<double>(state.last_in_force_ns) / 1e6);
                neighbours_due_ = true;  // gathered for a second: it looks at all backends
            }
        }
        report_.publish();
    }

    void report_errors() {
        const auto broken = source_.broken();
        report_.state().broken_files = static_cast<std::uint32_t>(broken.size());
        if (sync_error_) {
            report_.set_last_error(sync_error_->message());
        } else if (network_error_) {
            report_.set_last_error(network_error_->message());
        } else if (const auto trouble = source_.trouble()) {
            report_.set_last_error(trouble->message());
        } else if (!broken.empty()) {
            report_.set_last_error(broken.front().error.message());
        } else {
            const auto not_listening = serving_.error();
            report_.set_last_error(not_listening ? not_listening->message() : "");
        }
    }

    AgentFacts facts() {
        const MapState& maps = sync_.state();
        return {
            .is_synced = report_.state().sync == AGENT_SYNCED,
            .is_source_complete = source_.knows_everything(),
            .source_stale_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(source_.silence()).count()),
            .broken_files = report_.state().broken_files,
            .maps = {{"services", maps.service_ids.in_use(), maps.limits.services},
                     {"backends", maps.backend_ids.in_use(), maps.limits.backends},
                     {"frontends", maps.owners.size() + maps.vip_entries.size(), maps.limits.frontends},
                     {"slots", maps.slices.in_use(), maps.limits.slots},
                     {"source_ranges", maps.range_count, maps.limits.source_ranges}},
        };
    }

    // About devices, routes and neighbours; forgotten when devices are next attached without one.
    void complain(const Error& error) {
        if (!network_error_ || network_error_->message() != error.message()) {
            log::error("{}", error.message());
        }
        network_error_ = error;
    }

    void wait_for_source() {
        source_events_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                            [this](const boost::system::error_code& error) {
                                if (error) {
                                    return;
                                }
                                const std::uint64_t noticed = monotonic_ns();
                                take_source(noticed);
                                wait_for_source();
                            });
    }

    void take_source(std::uint64_t noticed) {
        const Change change = source_.on_readable();
        if (change.nodes) {
            find_devices();
        }
        if (!change.empty() || sync_.is_due(noticed) || source_.knows_everything() != pruned_) {
            bring_into_force(change, noticed);
        } else {
            report_errors();
        }
    }

    void wait_for_network() {
        netlink_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                            [this](const boost::system::error_code& error) {
                                if (error) {
                                    return;
                                }
                                take_network();
                                wait_for_network();
                            });
    }

    void take_network() {
        const auto change = monitor_.on_readable();
        if (!change) {
            complain(change.error());
            return;
        }
        if (change->routes_moved) {
            raise_route_epoch();
            neighbours_due_ = true;
        }
        if (change->neighbours_lost) {
            neighbours_due_ = true;
        }
        devices_due_ = devices_due_ || change->devices_changed;
        addresses_due_ = addresses_due_ || change->addresses_changed;
    }

    void wait_for_second() {
        second_.expires_after(1s);
        second_.async_wait([this](const boost::system::error_code& error) {
            if (!error) {
                on_second();
                wait_for_second();
            }
        });
    }

    void on_second() {
        seconds_++;
        take_note_of_drain();
        const auto snat_addresses_before = snat_addresses_;
        if (std::exchange(devices_due_, false)) {
            find_devices();
        }
        const bool has_new_addresses = std::exchange(addresses_due_, false) && find_addresses();
        if (has_new_addresses || snat_addresses_ != snat_addresses_before) {
            bring_into_force({}, monotonic_ns());
        }
        if (seconds_ % kNeighboursEverySeconds == 0) {
            devices_due_ = true;  // what a driver can do for XDP changes without a word
        }
        if (neighbours_due_ || seconds_ % kNeighboursEverySeconds == 0) {
            neighbours_due_ = false;
            keep_neighbours();
        }
        if (seconds_ % kUpkeepEverySeconds == 0 || sync_.state().is_retry_due(monotonic_ns())) {
            take_source(monotonic_ns());  // a directory that went and came back is not announced
        }
        if (auto probed = neighbours_.probe(external_, kProbesEverySecond); !probed) {
            complain(probed.error());
        }
        if (drain_ != DRAIN_DETACHED) {
            if (auto restored = devices_.restore(); !restored) {
                complain(restored.error());
            }
        }
        report_errors();
        beat();
    }

    const AgentOptions& options_;
    Programs& programs_;
    Source& source_;
    RouteMonitor& monitor_;
    ServiceSync& sync_;
    ServedDevices devices_;
    ManagedNeighbours neighbours_;
    AgentReport report_;
    std::set<unsigned> external_;
    std::set<IpAddress> snat_addresses_;
    std::optional<std::set<IpAddress>> device_addresses_;  // but loopback and link-local ones
    std::optional<Error> sync_error_;
    std::optional<Error> network_error_;
    std::string waiting_for_;
    control_drain drain_ = DRAIN_NONE;
    bool pruned_ = false;
    bool devices_due_ = false;
    bool addresses_due_ = false;
    bool neighbours_due_ = false;
    unsigned seconds_ = 0;
    boost::asio::io_context io_{1};
    boost::asio::posix::stream_descriptor source_events_;
    boost::asio::posix::stream_descriptor netlink_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer second_;
    Serving serving_;
};

std::uint32_t choose_max_flows(const AgentOptions& options) {
    if (options.max_flows) {
        return *options.max_flows;
    }
    const MemoryLimit limit = memory_limit();
    const std::uint32_t flows = default_max_flows(limit.bytes);
    log::info("room for {} flows of each family: a 256th of {} MiB ({})", flows, limit.bytes >> 20, limit.from);
    return flows;
}

// What `shunt check` would say, as far as it is not as it should be.
void log_preflight(const AgentOptions& options, const Source& source, std::uint32_t max_flows) {
    const auto devices = discover(device_selection(options, source));
    const Findings findings = check_machine({.pin_dir = options.pin_dir,
                                             .devices = devices ? *devices : std::vector<ExternalDevice>(),
                                             .snat_ports = {options.snat_port_min, options.snat_port_max},
                                             .max_flows = max_flows,
                                             .use_xdp = options.mode != AttachMode::tc});
    for (const Finding& finding : findings) {
        if (finding.level >= Level::warning) {
            log::warn("check: {}: {}; fix: {}", finding.subject, finding.text, finding.fix);
        }
    }
}

int fail(const Error& error) {
    log::error("{}", error.message());
    return 1;
}

Result<std::unique_ptr<Source>> open_source(const AgentOptions& options) {
    std::unique_ptr<Source> source;
    if (!options.manifests.empty()) {
        source = std::make_unique<ManifestDirectory>(options.manifests);
    } else {
        auto api = ApiSource::open({.kubeconfig = options.kubeconfig, .api_server = options.api_server}, options.node_name);
        if (!api) {
            return std::unexpected(api.error());
        }
        source = std::move(*api);
    }
    log::info("source: {}", source->name());
    return source;
}

}  // namespace

int run_agent(const AgentOptions& options) {
    // The text of a list comes and goes, tens of megabytes at times. Left to itself glibc would soon take it from the heap,
    // between objects that stay, and keep it.
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    if (options.replace) {
        log::warn("--replace takes kube-proxy's ports; ClusterIPs are not served yet, so somebody else has to");
    }
    auto pins = PinDirectory::open_and_lock(options.pin_dir);
    if (!pins) {
        return fail(pins.error());
    }
    const auto source = open_source(options);
    if (!source) {
        return fail(source.error());
    }
    const auto first = (*source)->start();
    if (!first) {
        return fail(first.error());
    }
    auto monitor = RouteMonitor::open();
    if (!monitor) {
        return fail(monitor.error());
    }
    if (auto reserved = reserve_ports(options.snat_port_min, options.snat_port_max); !reserved) {
        log::warn("{}", reserved.error().message());
    } else if (*reserved) {
        log::info("ports {}-{} are reserved (net.ipv4.ip_local_reserved_ports)", options.snat_port_min,
                  options.snat_port_max);
    }
    const std::uint32_t max_flows = choose_max_flows(options);
    log_preflight(options, **source, max_flows);
    auto programs = Programs::load(*pins, {.snat_port_min = options.snat_port_min,
                                           .snat_port_max = options.snat_port_max,
                                           .max_flows = max_flows});
    if (!programs) {
        const auto is_other_abi = [&] {
            const auto abi = pinned_abi(options.pin_dir);
            return abi && *abi != 0 && *abi != SHUNT_ABI;
        };
        fail(programs.error());
        if (is_other_abi()) {
            { const PinDirectory released = std::move(*pins); }  // its lock: `shunt detach` must not wait for us
            serve_refusal(serve_options(options), programs.error().message(), [&] { return !is_other_abi(); });
        }
        return 1;
    }
    if (auto shown = pin_iterators(pins->path()); !shown) {
        log::warn("{}", shown.error().message());
    }
    auto flows = GoneFlows::open(programs->flow_maps(), programs->upkeep());
    if (!flows) {
        return fail(flows.error());
    }
    auto sync = ServiceSync::start({.services = programs->map("services"),
                                    .backends = programs->map("backends"),
                                    .frontends = programs->map("frontends"),
                                    .service_counters = programs->map("service_counters"),
                                    .source_ranges = programs->map("source_ranges"),
                                    .control_page = programs->control_page(),
                                    .slots = programs->slots(),
                                    .slots_size = programs->slots_size()},
                                   std::move(*flows));
    if (!sync) {
        return fail(sync.error());
    }
    Agent(options, *pins, *programs, **source, *monitor, *sync).run(*first);
    return 0;
}

}  // namespace shunt
