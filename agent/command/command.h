// SPDX-License-Identifier: Apache-2.0
// What a command of `shunt` is, and the way from the words of the command line to it.
#pragma once

#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shunt {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;  // also `status` when something is not as it should be
inline constexpr int kExitUsage = 2;

using Arguments = std::vector<std::string>;

struct Output {
    std::ostream& out;
    std::ostream& error;
    bool colour = false;  // `out` is a terminal
};

struct Command {
    std::string_view name;
    std::string_view summary;
    int (*run)(const Arguments& arguments, const Output& output);  // the exit code
};

// `arguments`: without the program's name. Knows --help, --version and `help COMMAND` besides `commands`.
int dispatch(std::span<const Command> commands, const Arguments& arguments, const Output& output);

// One file for each.
int agent_command(const Arguments& arguments, const Output& output);
int status_command(const Arguments& arguments, const Output& output);
int services_command(const Arguments& arguments, const Output& output);
int flows_command(const Arguments& arguments, const Output& output);
int counters_command(const Arguments& arguments, const Output& output);
int check_command(const Arguments& arguments, const Output& output);
int drain_command(const Arguments& arguments, const Output& output);
int detach_command(const Arguments& arguments, const Output& output);
int bench_command(const Arguments& arguments, const Output& output);

}  // namespace shunt
