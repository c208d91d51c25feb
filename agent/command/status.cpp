// SPDX-License-Identifier: Apache-2.0
// `shunt status`: is this node as it should be?
#include <algorithm>
#include <chrono>
#include <thread>

#include "agent/command/options.h"
#include "agent/report/events.h"
#include "agent/report/json_text.h"
#include "agent/report/status_view.h"
#include "agent/report/table.h"
#include "agent/report/words.h"

namespace shunt {
namespace {

namespace json = boost::json;

constexpr CommandText kText{
    .name = "status",
    .synopsis = "[--wait SECONDS] [OPTIONS]",
    .about = "What is attached where, what is in force, how full the tables are, what is dropped. Exit code 1 if something is\n"
             "not as it should be; Services that are left to the stack are.",
    .example = "shunt status --wait 30 && echo ready",
};

constexpr unsigned kSampleMs = 500;
constexpr std::chrono::milliseconds kPoll{100};

double sum_of_kind(const StatusReport& report, event_kind kind) {
    double sum = 0;
    for (std::size_t i = 0; i < EVENT_COUNT; i++) {
        sum += event_texts()[i].kind == kind ? report.rates[i] : 0;
    }
    return sum;
}

std::string sync_text(const StatusReport& report) {
    const agent_state& agent = report.agent;
    std::string text = text_of(agent.source);
    if (report.source_silence_s() != 0) {
        text += ", last heard " + duration(report.source_silence_s()) + " ago";
    }
    if (agent.last_change_ns == 0) {
        return text + ", no change so far";
    }
    const std::uint64_t age = report.now_ns > agent.last_change_ns ? report.now_ns - agent.last_change_ns : 0;
    return text + ", last change " + duration(age / 1000000000) + " ago, in force after " +
           milliseconds(agent.last_in_force_ns);
}

std::string agent_text(const StatusReport& report) {
    const std::string pid = "pid " + std::to_string(report.agent.pid);
    if (!report.life.ever_ran) {
        return "none has reported yet";
    }
    if (!report.life.alive) {
        return pid + (report.life.has_process ? ", silent for " : " is gone, silent for ") +
               duration(report.life.heartbeat_age_ns / 1000000000) + " (traffic goes on without it)";
    }
    return pid + ", up " + duration((report.now_ns - report.agent.started_ns) / 1000000000) +
           " (traffic goes on without it)";
}

std::string drops_text(const StatusReport& report) {
    std::vector<std::size_t> dropped;
    for (std::size_t i = 0; i < EVENT_COUNT; i++) {
        if (event_texts()[i].kind == EVENT_DROPPED && report.events[i] != 0) {
            dropped.push_back(i);
        }
    }
    std::ranges::sort(dropped, std::greater{}, [&](std::size_t i) { return std::pair(report.rates[i], report.events[i]); });
    std::string text;
    for (std::size_t i : dropped) {
        text += (text.empty() ? "" : "   ") + per_second(report.rates[i]) + ' ' + std::string(event_texts()[i].name) + " (" +
                grouped(report.events[i]) + ')';
    }
    return text.empty() ? "none" : text + "   shunt counters names the next step";
}

std::string flows_text(const StatusReport& report) {
    return grouped(report.flows) + " of " + grouped(2 * report.max_flows) + " (" +
           percent(report.flows, 2 * report.max_flows) + "; " + grouped(report.max_flows) + " for each address family)";
}

void print_text(const StatusReport& report, const Output& output, bool wide) {
    const auto problems = report.problems();
    const char* verdict = problems.empty() ? "OK" : report.drain == DRAIN_NONE ? "DEGRADED" : "DRAINING";
    const char* colour = problems.empty() ? "\x1b[32m" : "\x1b[1;31m";
    std::ostream& out = output.out;
    out << "shunt " << text_of(report.agent.version) << "   node " << text_of(report.agent.node_name) << "   kernel "
        << report.kernel << "   beside kube-proxy   " << (output.colour ? colour : "") << verdict
        << (output.colour ? "\x1b[0m" : "") << "\n\n";

    std::vector<std::string> titles = {"DEVICE", "XDP", "TC", ">MTU", "NOTE"};
    if (wide) {
        titles.insert(titles.begin() + 3, {"TC-KIND", ">IFINDEX"});
    }
    Table table(titles);
    for (const DeviceRow& device : report.devices) {
        std::vector<std::string> cells = {device.name, device.xdp, device.tc, std::to_string(device.mtu), device.note};
        if (wide) {
            cells.insert(cells.begin() + 3, {device.tc_kind, std::to_string(device.ifindex)});
        }
        table.add(cells);
    }
    if (report.devices.empty()) {
        out << "No device has programs.\n";
    } else {
        table.print(out);
    }
    out << "\nSync      " << sync_text(report) << "\nServices  " << grouped(report.totals.services) << "   frontends "
        << grouped(report.totals.frontends) << "   backends " << grouped(report.totals.backends) << "   without endpoints "
        << grouped(report.totals.without_endpoints) << "   left to the stack " << grouped(report.totals.left_to_stack)
        << "\nFlows     " << flows_text(report) << "\nTraffic   " << per_second(sum_of_kind(report, EVENT_FORWARDED))
        << " forwarded   " << per_second(report.rates[FLOW_OPENED]) << " new flows   "
        << per_second(sum_of_kind(report, EVENT_PASSED)) << " left to the stack   "
        << per_second(sum_of_kind(report, EVENT_ANSWERED)) << " answered\nDrops     " << drops_text(report)
        << "\nAgent     " << agent_text(report) << '\n';
    if (!problems.empty()) {
        out << "\nNot as it should be:\n";
        for (const std::string& problem : problems) {
            out << "  " << problem << '\n';
        }
    }
}

const char* drain_word(control_drain drain) {
    return drain == DRAIN_NONE ? "no" : drain == DRAIN_NEW_FLOWS ? "draining" : "detached";
}

const char* sync_word(agent_sync sync) {
    return sync == AGENT_SYNCED ? "synced" : sync == AGENT_WAITING ? "waiting" : "starting";
}

json::value to_json(const StatusReport& report) {
    json::array devices;
    for (const DeviceRow& device : report.devices) {
        devices.push_back({{"name", device.name}, {"ifindex", device.ifindex}, {"xdp", device.xdp}, {"tc", device.tc},
                           {"tcKind", device.tc_kind}, {"mtu", device.mtu}, {"note", device.note}});
    }
    json::object events;
    for (std::size_t i = 0; i < EVENT_COUNT; i++) {
        if (report.events[i] != 0) {
            events[event_texts()[i].name] = {{"total", report.events[i]}, {"perSecond", report.rates[i]}};
        }
    }
    json::array problems;
    for (const std::string& problem : report.problems()) {
        problems.emplace_back(problem);
    }
    const agent_state& agent = report.agent;
    return {
        {"ok", problems.empty()},
        {"problems", problems},
        {"version", text_of(agent.version)},
        {"node", text_of(agent.node_name)},
        {"kernel", report.kernel},
        {"besideKubeProxy", true},
        {"drain", drain_word(report.drain)},
        {"devices", devices},
        {"sync",
         {{"state", sync_word(agent.sync)},
          {"source", text_of(agent.source)},
          {"sourceSilenceSeconds", report.source_silence_s()},
          {"waitingFor", text_of(agent.waiting_for)},
          {"brokenFiles", agent.broken_files},
          {"lastError", text_of(agent.last_error)},
          {"lastChangeAgeSeconds",
           agent.last_change_ns == 0 ? json::value(nullptr)
                                     : json::value(static_cast<double>(report.now_ns - agent.last_change_ns) / 1e9)},
          {"lastInForceMilliseconds", static_cast<double>(agent.last_in_force_ns) / 1e6}}},
        {"services",
         {{"total", report.totals.services},
          {"leftToStack", report.totals.left_to_stack},
          {"withoutEndpoints", report.totals.without_endpoints},
          {"frontends", report.totals.frontends},
          {"backends", report.totals.backends}}},
        {"flows", {{"total", report.flows}, {"maxPerFamily", report.max_flows}}},
        {"snatPorts", {{"min", agent.snat_port_min}, {"max", agent.snat_port_max}}},
        {"events", events},
        {"agent",
         {{"alive", report.life.alive},
          {"pid", agent.pid},
          {"heartbeatAgeSeconds", static_cast<double>(report.life.heartbeat_age_ns) / 1e9},
          {"upSeconds", static_cast<double>(report.now_ns - agent.started_ns) / 1e9}}},
    };
}

// The maps, as soon as there are any and the agent is in sync, or what they are like when the time is over.
Result<PinnedMaps> open_when_synced(const std::string& pin_dir, double wait_seconds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(wait_seconds);
    while (true) {
        auto maps = PinnedMaps::open(pin_dir);
        const auto report = maps && wait_seconds > 0 ? read_status(*maps, 0) : Result<StatusReport>();
        if ((maps && report && report->is_synced()) || std::chrono::steady_clock::now() >= deadline) {
            return maps;
        }
        std::this_thread::sleep_for(kPoll);
    }
}

}  // namespace

int status_command(const Arguments& arguments, const Output& output) {
    CommandOptions options(kText);
    options.add_format();
    options.options().add_options()("wait", boost::program_options::value<double>()->value_name("SECONDS"),
                                    "until the agent is in sync and attached, or so long");
    if (auto over = options.parse(arguments, output)) {
        return *over;
    }
    const double wait = options.has("wait") ? options.get<double>("wait") : 0;
    if (wait < 0) {
        return options.usage_error("--wait: a number of seconds", output);
    }
    const auto maps = open_when_synced(options.pin_dir(), wait);
    if (!maps) {
        return fail(kText.name, maps.error(), output);
    }
    const auto report = read_status(*maps, wait > 0 ? 0 : kSampleMs);
    if (!report) {
        return fail(kText.name, report.error(), output);
    }
    if (options.format() == OutputFormat::json) {
        print_json(output.out, to_json(*report));
    } else {
        print_text(*report, output, options.format() == OutputFormat::wide);
    }
    return report->problems().empty() ? kExitDone : kExitFailed;
}

}  // namespace shunt
