// SPDX-License-Identifier: Apache-2.0
// bpf/bench.bpf.c around one program: many packets in one test run, each with the addresses and ports of another visit.
#pragma once

#include <memory>
#include <span>

#include "agent/bench/datapath.h"

struct bench_bpf;

namespace shunt::bench {

class Wrapper {
public:
    // `visits`: a power of two of them; begun again at their end.
    static Result<Wrapper> make(const Datapath& datapath, Path path, Hook hook, std::span<const Flow> visits);

    // The frame for all further runs; see frame_without_visit. At first that of the path.
    void set_frame(const Bytes& frame);

    Result<RunOutcome> run(std::uint32_t repeat);
    Result<RunOutcome> run_floor(std::uint32_t repeat);  // the same visits as the next run()
    // The flow of the last packet that run() sent.
    const Flow& last_visit() const { return visits_[(cursor_ - 1) & (visits_.size() - 1)]; }
    // The next run() begins here.
    void go_to(std::uint64_t visit) { cursor_ = visit; }

private:
    Wrapper(bench_bpf* skeleton, const Datapath& datapath, Hook hook, std::span<const Flow> visits);
    Status set_program(const Datapath& datapath, Path path);
    Status set_visits(Path path);
    Result<RunOutcome> run(int program, std::uint32_t repeat);

    std::unique_ptr<bench_bpf, void (*)(bench_bpf*)> skeleton_;
    address_family family_;
    ScratchNetwork network_;
    Hook hook_;
    std::span<const Flow> visits_;
    Bytes frame_;
    std::uint64_t cursor_ = 0;
};

}  // namespace shunt::bench
