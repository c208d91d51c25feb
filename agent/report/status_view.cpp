// SPDX-License-Identifier: Apache-2.0
#include "agent/report/status_view.h"

#include <signal.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "agent/report/first_error.h"
#include "agent/report/service_view.h"
#include "agent/report/words.h"
#include "agent/support/clock.h"
#include "maps/control.h"

namespace shunt {
namespace {

constexpr std::uint64_t kStaleNs = static_cast<std::uint64_t>(HEARTBEAT_STALE_TICKS) << TICK_SHIFT;
// Bookmarks come once a minute, and each watch ends after ten minutes at the latest.
constexpr std::uint64_t kSourceSilentSeconds = 15 * 60;
// The agent beats once a second.
constexpr std::uint64_t kMissedBeatNs = 1500000000;

bool process_exists(std::uint32_t pid) { return pid != 0 && (kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM); }

// One that was killed a moment ago still has a fresh heartbeat: without its process, another beat has to show.
Result<agent_state> read_agent(const PinnedMaps& maps) {
    auto state = maps.agent();
    if (!state || state->heartbeat_ns == 0 || process_exists(state->pid)) {
        return state;
    }
    const std::uint64_t age = monotonic_ns() - state->heartbeat_ns;
    if (age < kMissedBeatNs) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(kMissedBeatNs - age));
        state = maps.agent();
    }
    return state;
}

bool reads_manifests(const agent_state& agent) { return !text_of(agent.source).starts_with("API server "); }

ServiceTotals totals_of(const ServiceMaps& maps) {
    ServiceTotals totals;
    for (const ServiceRow& row : join_services(maps)) {
        totals.services++;
        totals.left_to_stack += !row.is_served();
        totals.without_endpoints += row.lacks_endpoints();
    }
    totals.frontends = static_cast<std::size_t>(
        std::ranges::count_if(maps.frontends, [](const auto& entry) { return entry.second.kind != FRONTEND_ADDRESS; }));
    totals.backends = maps.backends.size();
    return totals;
}

}  // namespace

AgentLife agent_life(const agent_state& state, std::uint64_t now_ns) {
    AgentLife life;
    life.ever_ran = state.heartbeat_ns != 0;
    life.heartbeat_age_ns = now_ns > state.heartbeat_ns ? now_ns - state.heartbeat_ns : 0;
    life.has_process = process_exists(state.pid);
    life.alive = life.ever_ran && life.heartbeat_age_ns < (life.has_process ? kStaleNs : kMissedBeatNs);
    return life;
}

std::vector<std::string> StatusReport::problems() const {
    std::vector<std::string> found;
    const std::string pid = std::to_string(agent.pid);
    if (!life.ever_ran) {
        found.push_back("no agent has reported yet: start it, or read its log");
    } else if (!life.alive) {
        const std::string silence = duration(life.heartbeat_age_ns / 1000000000);
        found.push_back(life.has_process ? "the agent (pid " + pid + ") is silent for " + silence + ": read its log"
                                         : "the agent (pid " + pid + ") is gone, silent for " + silence +
                                               ": start it; traffic goes on meanwhile");
    }
    if (agent.sync == AGENT_STARTING && life.alive) {
        found.push_back("the agent is starting: nothing is in force yet");
    }
    if (agent.sync == AGENT_WAITING) {
        found.push_back("the agent is waiting for " + text_of(agent.waiting_for));
    }
    if (agent.broken_files != 0) {
        const bool from_files = reads_manifests(agent);
        found.push_back(std::to_string(agent.broken_files) + (from_files ? " manifest" : " object") +
                        (agent.broken_files == 1 ? " is" : "s are") +
                        " broken, the last good state is in force; mend: " + text_of(agent.last_error));
    } else if (agent.last_error[0] != '\0') {
        found.push_back(text_of(agent.last_error));
    }
    if (source_silence_s() >= kSourceSilentSeconds && life.alive) {
        found.push_back("the API server is silent for " + duration(source_silence_s()) +
                        ": its last state is in force; look whether this node reaches it");
    }
    if (drain == DRAIN_NEW_FLOWS) {
        found.push_back("draining: new connections are left to kube-proxy, " + grouped(flows) +
                        " flows go on; shunt drain --wait detaches when none is left, --cancel takes new ones again");
    } else if (drain == DRAIN_DETACHED) {
        found.push_back("drained: all is left to kube-proxy, no device has programs; shunt drain --cancel attaches again");
    } else if (devices.empty() && life.alive) {
        found.push_back("nothing is attached to any device: the agent's log says why (--device names one)");
    }
    for (const DeviceRow& device : devices) {
        found.insert(found.end(), device.problems.begin(), device.problems.end());
    }
    return found;
}

std::uint64_t StatusReport::source_silence_s() const {
    if (reads_manifests(agent)) {
        return 0;
    }
    return agent.source_silence_s + life.heartbeat_age_ns / 1000000000;
}

bool StatusReport::is_synced() const {
    bool attached = !devices.empty();
    for (const DeviceRow& device : devices) {
        attached = attached && device.problems.empty();
    }
    return life.alive && agent.sync == AGENT_SYNCED && attached;
}

Result<StatusReport> read_status(const PinnedMaps& maps, unsigned sample_ms) {
    StatusReport report;
    const auto before = maps.events();
    const auto begin = std::chrono::steady_clock::now();
    const auto state = read_agent(maps);
    auto devices = read_devices(maps);
    const auto services = read_service_maps(maps);
    const auto max_flows = maps.max_flows();
    const auto drain = DrainSwitch::open(maps.fd("control"));
    std::this_thread::sleep_until(begin + std::chrono::milliseconds(sample_ms));
    const auto after = maps.events();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;

    if (const Error* error = first_error(before, state, devices, services, max_flows, drain, after)) {
        return std::unexpected(*error);
    }
    report.agent = *state;
    report.now_ns = monotonic_ns();
    report.life = agent_life(*state, report.now_ns);
    report.devices = std::move(*devices);
    report.totals = totals_of(*services);
    report.flows = services->flows.total;
    report.drain = drain->state();
    report.max_flows = *max_flows;
    report.events = *after;
    for (std::size_t i = 0; i < EVENT_COUNT && sample_ms != 0; i++) {
        report.rates[i] = static_cast<double>((*after)[i] - (*before)[i]) / took.count();
    }
    utsname name{};
    uname(&name);
    report.kernel = name.release;
    return report;
}

}  // namespace shunt
