// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/measure.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "agent/bench/lane.h"
#include "agent/bench/scratch_network.h"
#include "agent/support/memory_limit.h"

namespace shunt::bench {
namespace {

std::string name(address_family family) {
    return family == IPV4 ? "IPv4" : "IPv6";
}

bool has(const auto& values, const auto& value) {
    return std::ranges::find(values, value) != values.end();
}

// What is measured, for one contestant.
struct Case {
    Case(Path path, Hook hook, Lane* lane) : path(path), hook(hook), lane(lane) {}

    Path path;
    Hook hook;
    Lane* lane;
    std::optional<Measurement> measurement;  // of paths with flows in the table
    std::vector<double> rounds, floors;
    std::optional<Error> failure;
};

// One table size of one family, all contestants side by side.
class Stage {
public:
    Stage(const Options& options, std::span<const Contestant> contestants, address_family family, std::uint32_t flows,
          const ScratchNetwork& network)
        : options_(options), contestants_(contestants), family_(family), flows_(flows), network_(network) {}

    // The paths along which established flows go, or that have none but some beside them.
    void measure_established(Placement placement, Report& report) {
        std::vector<Case> cases = make_cases(placement, false);
        for (Lane& lane : lanes_) {
            if (auto opened = cases.empty() ? Status{} : lane.open(options_.visits); !opened) {
                fail_all(cases, lane, opened.error());
            }
        }
        for (Case& one : cases) {
            if (!one.failure) {
                prepare(one);
            }
        }
        for (unsigned round = 0; round < options_.rounds; round++) {
            for (Case& one : cases) {
                if (!one.failure) {
                    keep(one, one.measurement->run());
                }
            }
        }
        finish(cases, report);
    }

    // Each measurement fills an empty table.
    void measure_new(Placement placement, Report& report) {
        std::vector<Case> cases = make_cases(placement, true);
        for (unsigned round = 0; round < std::min(options_.rounds, options_.most_rounds_of_new); round++) {
            for (Case& one : cases) {
                if (!one.failure) {
                    keep(one, one.lane->measure_new(one.path, one.hook));
                }
            }
        }
        finish(cases, report);
    }

private:
    Room room() const {
        const std::uint32_t here = std::max(flows_, default_max_flows(memory_limit().bytes));
        return {.family = family_, .flows = flows_, .max_flows = options_.max_flows != 0 ? options_.max_flows : here};
    }

    // Contestants side by side for each path.
    std::vector<Case> make_cases(Placement placement, bool new_flows) {
        std::vector<Case> cases;
        lanes_.clear();
        for (const Contestant& contestant : contestants_) {
            lanes_.emplace_back(contestant, room(), placement, network_);
        }
        for (const Path path : options_.paths) {
            if (bench::placement(path) != placement || opens_flows(path) != new_flows) {
                continue;
            }
            for (const Hook hook : hooks(path)) {
                for (Lane& lane : lanes_) {
                    if (has(options_.hooks, hook)) {
                        cases.emplace_back(path, hook, &lane);
                    }
                }
            }
        }
        return cases;
    }

    static void fail_all(std::vector<Case>& cases, const Lane& lane, const Error& error) {
        for (Case& one : cases) {
            if (one.lane == &lane) {
                one.failure = error;
            }
        }
    }

    void prepare(Case& one) const {
        auto made = one.lane->prepare(one.path, one.hook, options_.batch_ms);
        if (made) {
            one.measurement = *std::move(made);
        } else {
            one.failure = made.error();
        }
    }

    static void keep(Case& one, const Result<Sample>& sample) {
        if (sample) {
            one.rounds.push_back(sample->ns - sample->floor_ns);
            one.floors.push_back(sample->floor_ns);
        } else {
            one.failure = sample.error();
        }
    }

    void finish(std::vector<Case>& cases, Report& report) const {
        for (Case& one : cases) {
            if (one.failure) {
                report.failures.push_back({"measure " + std::string(bench::name(one.path)),
                                           name(family_) + ' ' + std::string(bench::name(one.hook)) + ", " +
                                               std::to_string(flows_) + " flows" +
                                               (contestants_.size() > 1 ? ", " + one.lane->contestant().name : ""),
                                           one.failure->message()});
                continue;
            }
            const auto [least, most] = std::ranges::minmax(one.rounds);
            report.figures.push_back({.path = one.path,
                                      .family = family_,
                                      .hook = one.hook,
                                      .flows = flows_,
                                      .contestant = one.lane->contestant().name,
                                      .rounds = one.rounds,
                                      .ns = median(one.rounds),
                                      .min = least,
                                      .max = most,
                                      .floor_ns = median(one.floors)});
        }
    }

    const Options& options_;
    std::span<const Contestant> contestants_;
    address_family family_;
    std::uint32_t flows_;
    ScratchNetwork network_;
    std::deque<Lane> lanes_;
};

Report measure_here(const Options& options, std::span<const Contestant> contestants, const ScratchNetwork& network,
                    const std::function<void(const std::string&)>& say) {
    Report report;
    for (const address_family family : options.families) {
        for (const std::uint32_t flows : options.flows) {
            Stage stage(options, contestants, family, flows, network);
            for (const Placement placement : {Placement::local, Placement::remote}) {
                say(name(family) + ", " + std::to_string(flows) +
                    (placement == Placement::local ? " flows, backends on this node"
                                                   : " flows, backends on other nodes"));
                stage.measure_established(placement, report);
                if (flows >= kFewestNewFlows) {
                    stage.measure_new(placement, report);
                }
            }
        }
    }
    return report;
}

}  // namespace

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

Report measure(const Options& options, std::span<const Contestant> contestants,
               const std::function<void(const std::string&)>& say) {
    Report report;
    in_scratch_network([&](const Result<ScratchNetwork>& network) {
        if (network) {
            report = measure_here(options, contestants, *network, say);
        } else {
            report.failures.push_back(network.error());
        }
    });
    return report;
}

}  // namespace shunt::bench
