// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <iomanip>
#include <numeric>

#include "agent/command/command.h"

namespace shunt {
namespace {

// Commands to come: who types one of them shall not search for a misspelling.
constexpr std::array kPlanned = {"explain", "monitor", "verify"};

// Levenshtein distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 1; i <= a.size(); i++) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 1; j <= b.size(); j++) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
            diagonal = above;
        }
    }
    return row.back();
}

void print_help(std::span<const Command> commands, std::ostream& out) {
    out << "shunt forwards external Service traffic on this node by XDP and tc programs, beside kube-proxy.\n\n"
           "usage: shunt COMMAND [OPTIONS]\n\n";
    for (const Command& command : commands) {
        out << "  " << std::left << std::setw(10) << command.name << command.summary << '\n';
    }
    out << "\nshunt COMMAND --help shows the options and an example. Commands that read need root and the pinned maps, not\n"
           "a living agent. Exit codes: 0 done, 1 failed or not as it should be, 2 usage.\n"
           "\nexample: shunt status\n";
}

int unknown(std::span<const Command> commands, const std::string& name, std::ostream& error) {
    if (std::ranges::find(kPlanned, name) != kPlanned.end()) {
        error << "shunt: " << name << " is not available yet\n";
        return kExitUsage;
    }
    error << "shunt: there is no command '" << name << "'";
    const auto nearest = std::ranges::min_element(
        commands, {}, [&](const Command& command) { return distance(name, command.name); });
    if (nearest != commands.end() && distance(name, nearest->name) <= 2) {
        error << ": did you mean '" << nearest->name << "'?";
    }
    error << " (shunt --help lists them)\n";
    return kExitUsage;
}

}  // namespace

int dispatch(std::span<const Command> commands, const Arguments& arguments, const Output& output) {
    const std::string first = arguments.empty() ? "" : arguments.front();
    if (first.empty()) {
        print_help(commands, output.error);
        return kExitUsage;
    }
    if (first == "--version" || first == "version") {
        output.out << "shunt " << SHUNT_VERSION << '\n';
        return kExitDone;
    }
    if (first == "--help" || first == "-h" || (first == "help" && arguments.size() == 1)) {
        print_help(commands, output.out);
        return kExitDone;
    }
    const bool wants_help = first == "help";
    const std::string& name = wants_help ? arguments[1] : first;
    const auto command = std::ranges::find(commands, name, &Command::name);
    if (command == commands.end()) {
        return unknown(commands, name, output.error);
    }
    return command->run(wants_help ? Arguments{"--help"} : Arguments(arguments.begin() + 1, arguments.end()), output);
}

}  // namespace shunt
