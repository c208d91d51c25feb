// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/lane.h"

#include <algorithm>
#include <numeric>

#include "agent/bench/check.h"
#include "agent/bench/opening.h"

namespace shunt::bench {
namespace {

constexpr std::size_t kSamples = 32;
constexpr std::uint32_t kFirstBatch = 2048;  // tells how many packets make a batch
constexpr std::uint32_t kLargestBatch = 1U << 20;
constexpr std::uint32_t kOpeningsBetweenTending = 512;

std::unexpected<Error> complain(std::string reason) {
    return failure("check", "the packets", std::move(reason));
}

// Evenly spread, the first and the last among them.
std::vector<Flow> sample(std::span<const Flow> flows) {
    std::vector<Flow> some;
    const std::size_t number = std::min(kSamples, flows.size());
    for (std::size_t i = 0; i < number; i++) {
        some.push_back(flows[number == 1 ? 0 : i * (flows.size() - 1) / (number - 1)]);
    }
    return some;
}

}  // namespace

Result<Measurement> Measurement::make(const Datapath& datapath, Path path, Hook hook, std::span<const Flow> visits,
                                      double batch_ms) {
    for (const Flow& flow : sample(visits)) {
        const auto outcome = datapath.run(path, hook, incoming(path, datapath.family(), flow).frame());
        if (!outcome) {
            return std::unexpected(outcome.error());
        }
        if (const auto complaint = check_outcome(path, hook, datapath.family(), flow, *outcome)) {
            return complain(*complaint);
        }
    }
    auto wrapper = Wrapper::make(datapath, path, hook, visits);
    if (!wrapper) {
        return std::unexpected(wrapper.error());
    }
    // All visits once, so that none meets a page that was never read.
    if (const auto read = wrapper->run_floor(static_cast<std::uint32_t>(visits.size())); !read) {
        return std::unexpected(read.error());
    }
    Measurement measurement(datapath, path, hook, *std::move(wrapper));
    const auto first = measurement.run_checked(kFirstBatch);
    if (!first) {
        return std::unexpected(first.error());
    }
    measurement.repeat_ = static_cast<std::uint32_t>(
        std::clamp(batch_ms * 1e6 / std::max(*first, 1.0), double{kFirstBatch}, double{kLargestBatch}));
    return measurement;
}

Result<double> Measurement::run_checked(std::uint32_t repeat) {
    if (auto tended = datapath_->tend(); !tended) {
        return std::unexpected(tended.error());
    }
    const auto before = datapath_->events();
    if (!before) {
        return std::unexpected(before.error());
    }
    const auto outcome = wrapper_.run(repeat);
    const auto after = datapath_->events();
    if (!outcome || !after) {
        return std::unexpected(outcome ? after.error() : outcome.error());
    }
    auto complaint = check_events(expected_events(path_), repeat, *after - *before);
    if (!complaint) {
        complaint = check_outcome(path_, hook_, datapath_->family(), wrapper_.last_visit(), *outcome);
    }
    if (complaint) {
        return complain(*complaint);
    }
    return outcome->ns;
}

Result<Sample> Measurement::run() {
    if (const auto warm = run_checked(std::max(repeat_ / 4, 1U)); !warm) {
        return std::unexpected(warm.error());
    }
    const auto floor = wrapper_.run_floor(repeat_);
    if (!floor) {
        return std::unexpected(floor.error());
    }
    const auto ns = run_checked(repeat_);
    if (!ns) {
        return std::unexpected(ns.error());
    }
    return Sample{.ns = *ns, .floor_ns = floor->ns};
}

Result<Datapath> Lane::load() const {
    return Datapath::make(*contestant_, room_, placement_, network_);
}

Status Lane::open(Visits visits) {
    auto datapath = load();
    if (!datapath) {
        return std::unexpected(datapath.error());
    }
    datapath_ = *std::move(datapath);
    auto flows = open_flows(*datapath_, placement_, room_.flows);
    if (!flows) {
        return std::unexpected(flows.error());
    }
    flows_ = *std::move(flows);
    order_ = visiting_order(flows_, visits);
    return check_both_directions(*datapath_, placement_, sample(flows_));
}

Result<Measurement> Lane::prepare(Path path, Hook hook, double batch_ms) const {
    return Measurement::make(*datapath_, path, hook, order_, batch_ms);
}

Result<Sample> Lane::measure_new(Path path, Hook hook) const {
    const auto datapath = load();
    if (!datapath) {
        return std::unexpected(datapath.error());
    }
    std::vector<Flow> flows(room_.flows);
    for (std::uint32_t i = 0; i < room_.flows; i++) {
        flows[i].number = i;
    }
    const std::vector<Flow> order = visiting_order(flows, Visits::uniform);
    auto wrapper = Wrapper::make(*datapath, path, hook, order);
    if (!wrapper) {
        return std::unexpected(wrapper.error());
    }
    const auto floor = wrapper->run_floor(room_.flows);
    const auto opened = floor ? open_all(*datapath, *wrapper) : std::unexpected(floor.error());
    const auto events = datapath->events();
    if (!opened || !events) {
        return std::unexpected(opened ? events.error() : opened.error());
    }
    std::uint64_t refused = 0;
    if (const auto complaint = check_openings(path, room_.flows, *events, refused)) {
        return complain(*complaint);
    }
    if (refused == 0) {  // else the sampled ones may be among them
        Flow last = wrapper->last_visit();
        if (placement_ == Placement::remote) {
            last = with_translation(room_.family, last, opened->frame);
        }
        if (const auto complaint = check_outcome(path, hook, room_.family, last, *opened)) {
            return complain(*complaint);
        }
        if (auto checked = check_both_directions(*datapath, placement_, sample(flows)); !checked) {
            return std::unexpected(checked.error());
        }
    }
    return Sample{.ns = opened->ns, .floor_ns = floor->ns};
}

Result<RunOutcome> Lane::open_all(const Datapath& datapath, Wrapper& wrapper) const {
    RunOutcome all;
    for (std::uint32_t sent = 0; sent < room_.flows;) {
        if (auto tended = datapath.tend(); !tended) {
            return std::unexpected(tended.error());
        }
        const std::uint32_t packets = std::min(kOpeningsBetweenTending, room_.flows - sent);
        auto some = wrapper.run(packets);
        if (!some) {
            return some;
        }
        const double ns = all.ns + some->ns * packets / room_.flows;
        all = *std::move(some);
        all.ns = ns;
        sent += packets;
    }
    return all;
}

}  // namespace shunt::bench
