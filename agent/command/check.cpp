// SPDX-License-Identifier: Apache-2.0
// `shunt check`: the preflight, for people and programs.
#include <algorithm>

#include "agent/check/check.h"
#include "agent/command/agent_options.h"
#include "agent/command/options.h"
#include "agent/report/json_text.h"
#include "agent/report/pinned_maps.h"
#include "agent/report/table.h"

namespace shunt {
namespace {

namespace json = boost::json;

constexpr CommandText kText{
    .name = "check",
    .synopsis = "[--device IF[,IF]] [OPTIONS]",
    .about = "Is this machine ready for shunt? Kernel, privileges, bpffs, memory, forwarding, ports, conntrack, kube-proxy and\n"
             "firewalls, devices; each finding with its fix. Changes nothing and needs no agent. Exit code 1 if something keeps\n"
             "shunt or a part of the traffic from working (FAIL); warnings alone leave it 0.",
    .example = "shunt check --device eth0",
};

const char* word(Level level) {
    switch (level) {
    case Level::ok:
        return "ok";
    case Level::note:
        return "note";
    case Level::warning:
        return "warning";
    case Level::failure:
        return "FAIL";
    }
    return "?";
}

void print_text(const Findings& findings, std::ostream& out) {
    Table table({"RESULT", "SUBJECT", "FINDING"});
    for (const Finding& finding : findings) {
        table.add({word(finding.level), finding.subject, finding.text});
        if (!finding.fix.empty()) {
            table.add({" ", " ", "  fix: " + finding.fix});
        }
    }
    table.print(out);
}

json::value to_json(const Findings& findings, bool ok) {
    json::array list;
    for (const Finding& finding : findings) {
        std::string level = word(finding.level);
        std::ranges::transform(level, level.begin(), [](unsigned char c) { return std::tolower(c); });
        list.push_back({{"result", level}, {"subject", finding.subject}, {"finding", finding.text}, {"fix", finding.fix}});
    }
    return {{"ok", ok}, {"findings", list}};
}

// Those that an agent serves, else those that it would find without knowing its Node.
Result<std::vector<ExternalDevice>> find_devices(const CommandOptions& options) {
    DeviceSelection selection;
    if (options.has("device")) {
        auto names = device_names(options.get<std::vector<std::string>>("device"));
        if (!names) {
            return failure("read", "--device", names.error());
        }
        selection.names = *names;
    } else if (const auto maps = PinnedMaps::open(options.pin_dir()); maps) {
        if (const auto devices = maps->devices(); devices) {
            for (const auto& [ifindex, value] : *devices) {
                selection.names.emplace_back(value.name);
            }
        }
    }
    return discover(selection);
}

}  // namespace

int check_command(const Arguments& arguments, const Output& output) {
    CommandOptions options(kText);
    options.add_format();
    options.options().add_options()(
        "device", boost::program_options::value<std::vector<std::string>>()->value_name("IF[,IF]"),
        "default: those that an agent serves, else those with a default route, and tunnels")(
        "max-flows", boost::program_options::value<std::uint32_t>()->value_name("N"), "as for the agent; default: by memory");
    if (auto over = options.parse(arguments, output)) {
        return *over;
    }
    const auto devices = find_devices(options);
    if (!devices) {
        return fail(kText.name, devices.error(), output);
    }
    const Findings findings = check_machine({
        .pin_dir = options.pin_dir(),
        .devices = *devices,
        .max_flows = options.has("max-flows") ? options.get<std::uint32_t>("max-flows") : default_max_flows(memory_limit().bytes),
    });
    const bool ok = std::ranges::none_of(findings, [](const Finding& f) { return f.level == Level::failure; });
    if (options.format() == OutputFormat::json) {
        print_json(output.out, to_json(findings, ok));
    } else {
        print_text(findings, output.out);
    }
    return ok ? kExitDone : kExitFailed;
}

}  // namespace shunt
