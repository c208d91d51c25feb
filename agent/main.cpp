// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "agent/command/command.h"

namespace {

constexpr shunt::Command kCommands[] = {
    {"agent", "keep the datapath as the cluster says; the only command that runs for long", shunt::agent_command},
    {"status", "what is attached where, sync, fullness, drops; --wait until synced", shunt::status_command},
    {"services", "all Services, or one in detail", shunt::services_command},
    {"flows", "live flows, filtered by client, Service, backend or protocol", shunt::flows_command},
    {"counters", "events and drops by reason, with the next step; -w for rates", shunt::counters_command},
    {"bench", "ns per packet of each path on this machine, on scratch maps", shunt::bench_command},
    {"check", "is this machine ready for shunt? each finding with its fix", shunt::check_command},
    {"drain", "old flows go on, new ones are left to kube-proxy; --wait until none is left, then detach", shunt::drain_command},
    {"detach", "take programs and links off; --purge also the maps", shunt::detach_command},
};

}  // namespace

int main(int argc, char** argv) {
    const shunt::Output output{
        .out = std::cout,
        .error = std::cerr,
        .colour = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr,
    };
    return shunt::dispatch(kCommands, shunt::Arguments(argv + 1, argv + argc), output);
}
