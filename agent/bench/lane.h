// SPDX-License-Identifier: Apache-2.0
// One contestant with one table: its flows, and measurements along its paths.
#pragma once

#include "agent/bench/datapath.h"
#include "agent/bench/visits.h"
#include "agent/bench/wrapper.h"

namespace shunt::bench {

// ns per packet, in one round.
struct Sample {
    double ns;        // wrapper and program
    double floor_ns;  // the wrapper alone
};

// Along one path with flows in the table; as long as its lane.
class Measurement {
public:
    static Result<Measurement> make(const Datapath& datapath, Path path, Hook hook, std::span<const Flow> visits,
                                    double batch_ms);
    // A warm-up and a batch; every packet of both is accounted for.
    Result<Sample> run();

private:
    Measurement(const Datapath& datapath, Path path, Hook hook, Wrapper wrapper)
        : datapath_(&datapath), path_(path), hook_(hook), wrapper_(std::move(wrapper)) {}
    Result<double> run_checked(std::uint32_t repeat);

    const Datapath* datapath_;
    Path path_;
    Hook hook_;
    Wrapper wrapper_;
    std::uint32_t repeat_ = 0;
};

class Lane {
public:
    Lane(const Contestant& contestant, const Room& room, Placement placement, const ScratchNetwork& network)
        : contestant_(&contestant), room_(room), placement_(placement), network_(network) {}

    const Contestant& contestant() const { return *contestant_; }

    // Loads the programs and opens the flows.
    Status open(Visits visits);
    // After open().
    Result<Measurement> prepare(Path path, Hook hook, double batch_ms) const;
    // Loads the programs anew and opens the flows, one a packet.
    Result<Sample> measure_new(Path path, Hook hook) const;

private:
    Result<Datapath> load() const;
    // The outcome of the last packet, the time of all.
    Result<RunOutcome> open_all(const Datapath& datapath, Wrapper& wrapper) const;

    const Contestant* contestant_;
    Room room_;
    Placement placement_;
    ScratchNetwork network_;
    std::optional<Datapath> datapath_;
    std::vector<Flow> flows_, order_;
};

}  // namespace shunt::bench
