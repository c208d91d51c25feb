// SPDX-License-Identifier: Apache-2.0
#include "agent/command/options.h"

#include <algorithm>
#include <boost/program_options/parsers.hpp>
#include <cctype>

#include "agent/report/pinned_maps.h"

namespace shunt {
namespace {

namespace po = boost::program_options;

constexpr unsigned kLineLength = 110;

bool is_number(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) || c == '.'; });
}

}  // namespace

CommandOptions::CommandOptions(const CommandText& text) : text_(text), options_("options", kLineLength) {
    options_.add_options()("help,h", "this help")(
        "pin-dir", po::value<std::string>()->default_value(kDefaultPinDir)->value_name("DIR"),
        "where the agent pins maps and programs");
}

void CommandOptions::add_format() {
    options_.add_options()("output,o", po::value<std::string>()->default_value("table")->value_name("table|wide|json"),
                           "wide: more columns; json: for programs");
}

void CommandOptions::add_positional(const char* name) {
    hidden_.add_options()(name, po::value<std::string>());
    positional_.add(name, 1);
}

void CommandOptions::add_optional_number(const char* name, char letter, const char* number_if_absent,
                                         const char* description) {
    options_.add_options()(
        (std::string(name) + ',' + letter).c_str(),
        po::value<double>()->implicit_value(std::stod(number_if_absent), number_if_absent)->value_name("[SECONDS]"),
        description);
    numbered_.push_back(std::string("--") + name);
    numbered_.push_back(std::string("-") + letter);
}

void CommandOptions::print_help(std::ostream& out) const {
    out << "usage: shunt " << text_.name << ' ' << text_.synopsis << "\n\n" << text_.about << "\n\n" << options_ << '\n'
        << "example: " << text_.example << '\n';
}

int CommandOptions::usage_error(const std::string& what, const Output& output) const {
    output.error << "shunt " << text_.name << ": " << what << " (shunt " << text_.name << " --help)\n";
    return kExitUsage;
}

std::optional<int> CommandOptions::parse(Arguments arguments, const Output& output) {
    if (std::ranges::any_of(arguments, [](const std::string& a) { return a == "--help" || a == "-h"; })) {
        print_help(output.out);
        return kExitDone;
    }
    // Program_options takes a number that may be left out only if it is glued to its option.
    for (std::size_t i = 0; i + 1 < arguments.size(); i++) {
        if (std::ranges::find(numbered_, arguments[i]) != numbered_.end() && is_number(arguments[i + 1])) {
            arguments[i] += (arguments[i].starts_with("--") ? "=" : "") + arguments[i + 1];
            arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
    }
    try {
        po::options_description all;
        all.add(options_).add(hidden_);
        const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
        po::store(po::command_line_parser(arguments).options(all).positional(positional_).style(style).run(), values_);
        po::notify(values_);
    } catch (const po::error& error) {
        return usage_error(error.what(), output);
    }
    if (has("output")) {
        const auto& format = get<std::string>("output");
        if (format != "table" && format != "wide" && format != "json") {
            return usage_error("-o " + format + ": it is table, wide or json", output);
        }
        format_ = format == "json" ? OutputFormat::json : format == "wide" ? OutputFormat::wide : OutputFormat::table;
    }
    return std::nullopt;
}

std::string CommandOptions::pin_dir() const {
    std::string path = get<std::string>("pin-dir");
    while (path.size() > 1 && path.ends_with('/')) {
        path.pop_back();
    }
    return path;
}

int fail(std::string_view command, const Error& error, const Output& output) {
    output.error << "shunt " << command << ": " << error.message() << '\n';
    return kExitFailed;
}

}  // namespace shunt
