// SPDX-License-Identifier: Apache-2.0
// `shunt bench`: what a packet costs on this machine, path by path.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "agent/bench/measure.h"
#include "agent/command/options.h"
#include "agent/report/json_text.h"
#include "agent/report/table.h"
#include "agent/report/words.h"
#include "agent/source/read_file.h"
#include "agent/support/number.h"

namespace shunt {
namespace {

namespace json = boost::json;

constexpr CommandText kText{
    .name = "bench",
    .synopsis = "[--path PATH,...] [--flows N,...] [OPTIONS]",
    .about =
        "ns per packet of each path, by the kernel's test run, with as many flows in the table. A second copy of the\n"
        "programs with maps of its own is measured, in a network namespace of its own: no live state is touched, and\n"
        "no agent needs to run. Every packet is accounted for; a path that does not do its work has no figure.\n"
        "A figure is the median of all rounds, less the FLOOR: the same packets given to a program that only\n"
        "returns. It means something beside another one of the same run. Takes a few minutes, or --quick.\n\n"
        "Paths: pass (none of ours), refused (no endpoint here, policy Local), local-request, local-reply,\n"
        "remote-request, remote-reply, new-local and new-remote (each packet opens a flow).",
    .example = "shunt bench --path remote-request,pass --flows 1,65536 --quick",
};

constexpr std::uint32_t kMostFlows = 1U << 20;
constexpr unsigned kQuickRounds = 3;
constexpr double kQuickBatchMs = 4;

// At least one, which may be empty.
std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream stream(text + ',');
    for (std::string part; std::getline(stream, part, ',');) {
        parts.push_back(part);
    }
    return parts;
}

using Wrong = std::optional<std::string>;

Wrong parse_paths(const std::string& text, std::vector<bench::Path>& paths) {
    paths.clear();
    for (const std::string& part : split(text)) {
        const auto found = std::ranges::find(bench::kPaths, part, [](bench::Path path) { return bench::name(path); });
        if (found == bench::kPaths.end()) {
            return "--path " + part + ": there is no such path";
        }
        paths.push_back(*found);
    }
    return std::nullopt;
}

Wrong parse_flows(const std::string& text, std::vector<std::uint32_t>& flows) {
    flows.clear();
    for (const std::string& part : split(text)) {
        const auto value = parse_number<std::uint32_t>(part);
        if (!value || *value < 1 || *value > kMostFlows) {
            return "--flows " + part + ": from 1 to " + std::to_string(kMostFlows);
        }
        flows.push_back(*value);
    }
    return std::nullopt;
}

Wrong parse(const CommandOptions& given, bench::Options& options) {
    if (given.has("quick")) {
        options.rounds = kQuickRounds;
        options.batch_ms = kQuickBatchMs;
        options.flows.pop_back();  // the largest: most of the time goes into opening its flows
    }
    if (given.has("rounds")) {
        options.rounds = given.get<unsigned>("rounds");
        if (options.rounds < 1 || options.rounds > 1000) {
            return "--rounds: from 1 to 1000";
        }
    }
    if (given.has("max-flows")) {
        options.max_flows = given.get<std::uint32_t>("max-flows");
        if (options.max_flows < 1 || options.max_flows > 4 * kMostFlows) {
            return "--max-flows: from 1 to " + std::to_string(4 * kMostFlows);
        }
    }
    if (given.has("family")) {
        const auto& family = given.get<std::string>("family");
        if (family != "4" && family != "6") {
            return "--family " + family + ": it is 4 or 6";
        }
        options.families = {family == "4" ? IPV4 : IPV6};
    }
    if (given.has("hook")) {
        const auto& hook = given.get<std::string>("hook");
        if (hook != "xdp" && hook != "tc") {
            return "--hook " + hook + ": it is xdp or tc";
        }
        options.hooks = {hook == "xdp" ? bench::Hook::xdp : bench::Hook::tc};
    }
    const auto& visits = given.get<std::string>("visits");
    if (visits != "uniform" && visits != "zipf") {
        return "--visits " + visits + ": it is uniform or zipf";
    }
    options.visits = visits == "zipf" ? bench::Visits::zipf : bench::Visits::uniform;
    if (given.has("path")) {
        if (auto wrong = parse_paths(given.get<std::string>("path"), options.paths)) {
            return wrong;
        }
    }
    if (given.has("flows")) {
        if (auto wrong = parse_flows(given.get<std::string>("flows"), options.flows)) {
            return wrong;
        }
    }
    if (std::ranges::all_of(options.paths, bench::opens_flows) &&
        std::ranges::max(options.flows) < bench::kFewestNewFlows) {
        return "--flows: the paths that open flows take " + std::to_string(bench::kFewestNewFlows) + " or more";
    }
    return std::nullopt;
}

std::string decimals(double value, int digits) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.*f", digits, value);
    return text;
}

using Figures = std::vector<bench::Figure>;

// Of this build's in the same rounds: the median. `figures`: of one path side by side, this build's first.
double ratio(const bench::Figure& figure, const Figures& figures) {
    const auto own = std::ranges::find_if(figures, [&](const bench::Figure& other) {
        return other.contestant == figures.front().contestant && other.path == figure.path &&
               other.family == figure.family && other.hook == figure.hook && other.flows == figure.flows;
    });
    std::vector<double> ratios;
    for (std::size_t i = 0; own != figures.end() && i < std::min(own->rounds.size(), figure.rounds.size()); i++) {
        ratios.push_back(figure.rounds[i] / own->rounds[i]);
    }
    return ratios.empty() ? 0 : bench::median(ratios);
}

void print_table(const Figures& figures, bool beside, std::ostream& out) {
    std::vector<std::string> heads = {"PATH", "FAMILY", "HOOK", ">FLOWS", ">NS", ">MIN", ">MAX", ">FLOOR"};
    if (beside) {
        heads.insert(heads.end(), {">RATIO", "PROGRAMS"});
    }
    Table table(heads);
    for (const bench::Figure& figure : figures) {
        std::vector<std::string> row = {
            std::string(bench::name(figure.path)), std::string(word(figure.family)),
            std::string(bench::name(figure.hook)), grouped(figure.flows),  decimals(figure.ns, 1),
            decimals(figure.min, 1),               decimals(figure.max, 1), decimals(figure.floor_ns, 1)};
        if (beside) {
            row.insert(row.end(), {decimals(ratio(figure, figures), 2), figure.contestant});
        }
        table.add(row);
    }
    if (!table.empty()) {
        table.print(out);
    }
}

double hundredths(double ns) {
    return std::round(ns * 100) / 100;
}

json::value to_json(const Figures& figures, bool beside) {
    json::array results;
    for (const bench::Figure& figure : figures) {
        json::object result{{"path", bench::name(figure.path)},
                            {"family", word(figure.family)},
                            {"hook", bench::name(figure.hook)},
                            {"flows", figure.flows},
                            {"ns", hundredths(figure.ns)},
                            {"min", hundredths(figure.min)},
                            {"max", hundredths(figure.max)},
                            {"floor_ns", hundredths(figure.floor_ns)}};
        if (beside) {
            result["ratio"] = hundredths(ratio(figure, figures));
            result["programs"] = figure.contestant;
        }
        results.push_back(result);
    }
    return json::object{{"results", results}};
}

// This build's programs, and those of the files.
Result<std::vector<bench::Contestant>> contestants(const std::vector<std::string>& files) {
    std::vector all = {bench::own_programs()};
    for (const std::string& file : files) {
        auto object = read_file(file);
        if (!object || !*object) {
            return std::unexpected(object ? Error{"read programs", file, "there is no such file"} : object.error());
        }
        all.push_back(bench::other_programs(file, **std::move(object)));
    }
    return all;
}

}  // namespace

int bench_command(const Arguments& arguments, const Output& output) {
    namespace po = boost::program_options;
    CommandOptions given(kText);
    given.add_format();
    given.options().add_options()("path", po::value<std::string>()->value_name("PATH[,...]"), "these alone")(
        "flows", po::value<std::string>()->value_name("N[,...]"), "flows in the table; default: 1,1024,65536,524288")(
        "family", po::value<std::string>()->value_name("4|6"), "IPv4 or IPv6 alone")(
        "hook", po::value<std::string>()->value_name("xdp|tc"), "one hook alone")(
        "visits", po::value<std::string>()->default_value("uniform")->value_name("uniform|zipf"),
        "each flow as often as any other, or few of them mostly (s = 1.1)")(
        "max-flows", po::value<std::uint32_t>()->value_name("N"),
        "room in the flow table; default: as the agent has it on this node, or what the flows take")(
        "rounds", po::value<unsigned>()->value_name("N"),
        "measurements of each path; default: 7 (at most 5 of those that open flows)")(
        "beside", po::value<std::string>()->value_name("FILE[,...]"),
        "also the programs of another build's forward.bpf.o with the same maps, in the same rounds")(
        "quick", "few and short ones, without the largest table, unless --flows says so");
    if (auto over = given.parse(arguments, output)) {
        return *over;
    }
    bench::Options options;
    if (auto wrong = parse(given, options)) {
        return given.usage_error(*wrong, output);
    }
    if (geteuid() != 0) {
        return fail(kText.name, {"load programs", "", "it takes root: sudo shunt bench"}, output);
    }
    const auto beside = given.has("beside") ? split(given.get<std::string>("beside")) : std::vector<std::string>();
    const auto all = contestants(beside);
    if (!all) {
        return fail(kText.name, all.error(), output);
    }
    const bench::Report report = bench::measure(options, *all, [&](const std::string& what) {
        if (output.colour) {
            output.error << "measuring: " << what << '\n';
        }
    });
    if (given.format() == OutputFormat::json) {
        print_json(output.out, to_json(report.figures, !beside.empty()));
    } else {
        print_table(report.figures, !beside.empty(), output.out);
    }
    for (const Error& failure : report.failures) {
        fail(kText.name, failure, output);
    }
    return report.failures.empty() ? kExitDone : kExitFailed;
}

}  // namespace shunt
