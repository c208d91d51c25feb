// SPDX-License-Identifier: Apache-2.0
// `shunt agent`: the options; what follows is agent.cpp's.
#include <algorithm>

#include "agent/command/agent.h"
#include "agent/command/command.h"
#include "agent/support/log.h"

namespace shunt {

int agent_command(const Arguments& arguments, const Output& output) {
    if (std::ranges::any_of(arguments, [](const std::string& a) { return a == "--help" || a == "-h"; })) {
        output.out << "usage: shunt agent [--manifests DIR | --kubeconfig FILE] [OPTIONS]\n\n"
                      "Keeps the node's maps as the manifests or the API server say, the programs attached, and idle flows out.\n"
                      "Traffic goes on without it. Runs beside kube-proxy, until SIGTERM.\n\n"
                   << agent_option_descriptions()
                   << "\nexample: shunt agent --manifests /etc/shunt/manifests --node-name node-a --device eth0,eth1\n";
        return kExitDone;
    }
    const auto options = parse_agent_options(arguments);
    if (!options) {
        output.error << "shunt agent: " << options.error() << " (shunt agent --help)\n";
        return kExitUsage;
    }
    log::configure(options->log_level, options->log_json ? log::Format::json : log::Format::text);
    return run_agent(*options);
}

}  // namespace shunt
