// SPDX-License-Identifier: Apache-2.0
// ns per packet of the programs' paths. Rounds go over all paths and contestants in turn, so that a machine that drifts
// treats them alike; each figure is what the program costs beyond the floor of the same round: the wrapper
// (bpf/bench.bpf.c) around a program that only returns.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/bench/contestant.h"
#include "agent/bench/path.h"
#include "agent/bench/visits.h"
#include "agent/support/result.h"

namespace shunt::bench {

// With fewer packets the system call is all that one would measure.
inline constexpr std::uint32_t kFewestNewFlows = 1024;

struct Options {
    std::vector<address_family> families = {IPV4, IPV6};
    std::vector<std::uint32_t> flows = {1, 1024, 65536, 524288};
    // Those that open flows are left out where `flows` is less than kFewestNewFlows.
    std::vector<Path> paths{kPaths.begin(), kPaths.end()};
    std::vector<Hook> hooks = {Hook::xdp, Hook::tc};
    Visits visits = Visits::uniform;
    unsigned rounds = 7;
    unsigned most_rounds_of_new = 5;  // of paths that open flows: each loads the programs anew
    double batch_ms = 10;             // of one measurement
    std::uint32_t max_flows = 0;      // room in the tables; 0: the agent's default here, or `flows` if that is more
};

struct Figure {
    Path path;
    address_family family;
    Hook hook;
    std::uint32_t flows;  // in the table; of the paths that open them: opened, in an empty table
    std::string contestant;
    std::vector<double> rounds;       // ns in each; of one round: figures that may be compared
    double ns = 0, min = 0, max = 0;  // median, least and most of them
    double floor_ns = 0;              // median
};

struct Report {
    std::vector<Figure> figures;
    std::vector<Error> failures;  // a path that is not what it should be has no figure
};

// `say` is told what is being done. Needs root; makes a thread with a network namespace of its own.
Report measure(const Options& options, std::span<const Contestant> contestants,
               const std::function<void(const std::string&)>& say);

double median(std::vector<double> values);

}  // namespace shunt::bench
