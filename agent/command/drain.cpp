// SPDX-License-Identifier: Apache-2.0
// `shunt drain`: the way back to kube-proxy without a lost connection.
#include <chrono>
#include <thread>

#include "agent/command/options.h"
#include "agent/datapath/attachment.h"
#include "agent/datapath/drain.h"
#include "agent/datapath/flow_pair.h"
#include "agent/report/pinned_maps.h"
#include "agent/report/words.h"

namespace shunt {
namespace {

constexpr CommandText kText{
    .name = "drain",
    .synopsis = "[--wait [SECONDS] | --cancel] [OPTIONS]",
    .about = "Flows that shunt carries go on, new ones are left to kube-proxy. With --wait it waits until no flow is left, then\n"
             "takes the programs off all devices; a running agent attaches none until --cancel. It holds across restarts of\n"
             "the agent. Exit code 1 if flows are left when the time is over: they go on, and the node goes on draining.",
    .example = "shunt drain --wait 600 && shunt detach --purge",
};

constexpr const char* kWaitUnlessTold = "86400";  // a day
constexpr std::chrono::milliseconds kPoll{500};
// What the agent had begun to attach before it could see that the node is detached is done by then.
constexpr std::chrono::milliseconds kAgentSettles{1500};

std::uint64_t count_flows(const FlowTables& tables) {
    std::uint64_t flows = 0;
    tables.walk([&](const auto& flow) { flows += is_request(flow.key); });
    return flows;
}

Result<std::uint64_t> wait_for_no_flow(const PinnedMaps& maps, double seconds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    const auto tables = maps.flows();
    if (!tables) {
        return std::unexpected(tables.error());
    }
    while (true) {
        const std::uint64_t flows = count_flows(*tables);
        if (flows == 0 || std::chrono::steady_clock::now() >= deadline) {
            return flows;
        }
        std::this_thread::sleep_for(kPoll);
    }
}

int cancel(const DrainSwitch& drain, const Output& output) {
    const control_drain before = drain.state();
    drain.set(DRAIN_NONE);
    output.out << (before == DRAIN_NONE       ? "The node was not draining.\n"
                   : before == DRAIN_DETACHED ? "A running agent attaches the programs within a second; else start one.\n"
                                              : "New connections are shunt's again.\n");
    return kExitDone;
}

void leave_devices(const DrainSwitch& drain, const PinnedMaps& maps) {
    drain.set(DRAIN_DETACHED);
    std::this_thread::sleep_for(kAgentSettles);
    for (int ifindex : known_devices(maps.pin_dir())) {
        detach_from_device(maps.pin_dir(), ifindex);
    }
}

}  // namespace

int drain_command(const Arguments& arguments, const Output& output) {
    CommandOptions options(kText);
    options.add_optional_number("wait", 'w', kWaitUnlessTold, "until no flow is left, then detach; at most so long, else a day");
    options.options().add_options()("cancel", "take new connections again, and attach again");
    if (auto over = options.parse(arguments, output)) {
        return *over;
    }
    if (options.has("wait") && options.has("cancel")) {
        return options.usage_error("--wait and --cancel: give one of them", output);
    }
    const auto maps = PinnedMaps::open(options.pin_dir());
    if (!maps) {
        return fail(kText.name, maps.error(), output);
    }
    const auto drain = DrainSwitch::open(maps->fd("control"));
    if (!drain) {
        return fail(kText.name, drain.error(), output);
    }
    if (options.has("cancel")) {
        return cancel(*drain, output);
    }
    if (drain->state() == DRAIN_DETACHED) {
        output.out << "Drained already: no device has programs.\n";
        return kExitDone;
    }
    drain->set(DRAIN_NEW_FLOWS);
    const auto left = wait_for_no_flow(*maps, options.has("wait") ? options.get<double>("wait") : 0);
    if (!left) {
        return fail(kText.name, left.error(), output);
    }
    if (!options.has("wait")) {
        output.out << "New connections are left to kube-proxy; " << grouped(*left)
                   << " flows go on. shunt drain --wait detaches when none is left, --cancel takes new ones again.\n";
        return kExitDone;
    }
    if (*left != 0) {
        output.error << "shunt drain: " << grouped(*left)
                     << " flows are left (shunt flows lists them). They go on, and new connections stay kube-proxy's\n";
        return kExitFailed;
    }
    leave_devices(*drain, *maps);
    output.out << "No flow is left; programs taken off all devices. Next: stop the agent, then shunt detach --purge gives up the maps.\n";
    return kExitDone;
}

}  // namespace shunt
