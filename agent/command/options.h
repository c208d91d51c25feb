// SPDX-License-Identifier: Apache-2.0
// What the commands' options have in common: --help with an example, --pin-dir, -o, and one way to be wrong.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/variables_map.hpp>
#include <expected>
#include <optional>
#include <string>

#include "agent/command/command.h"
#include "agent/support/result.h"

namespace shunt {

struct CommandText {
    std::string_view name;
    std::string_view synopsis;  // what follows the name
    std::string_view about;     // a sentence or two
    std::string_view example;   // lines
};

enum class OutputFormat { table, wide, json };

class CommandOptions {
public:
    explicit CommandOptions(const CommandText& text);

    // To add the command's own: options().add_options()("name", value, "what it does").
    boost::program_options::options_description& options() { return options_; }
    void add_format();                     // -o table|wide|json
    void add_positional(const char* name); // one argument without a dash; its option stays out of the help
    // An option whose number may be left out: `-w` and `-w 2`.
    void add_optional_number(const char* name, char letter, const char* number_if_absent, const char* description);

    // Nothing: go on. An exit code: help was asked for, or the usage is wrong and was complained about.
    std::optional<int> parse(Arguments arguments, const Output& output);
    int usage_error(const std::string& what, const Output& output) const;

    bool has(const char* name) const { return values_.count(name) != 0; }
    template <typename T>
    const T& get(const char* name) const {
        return values_[name].as<T>();
    }
    std::string pin_dir() const;
    OutputFormat format() const { return format_; }

private:
    void print_help(std::ostream& out) const;

    CommandText text_;
    boost::program_options::options_description options_;
    boost::program_options::options_description hidden_;
    boost::program_options::positional_options_description positional_;
    boost::program_options::variables_map values_;
    Arguments numbered_;  // spellings of options with an optional number
    OutputFormat format_ = OutputFormat::table;
};

// "shunt status: read /sys/fs/bpf/shunt: …". Returns kExitFailed.
int fail(std::string_view command, const Error& error, const Output& output);

}  // namespace shunt
