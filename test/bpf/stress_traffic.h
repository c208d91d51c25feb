// SPDX-License-Identifier: Apache-2.0
// Random traffic of stress.bpf.c through a datapath, and what must be true of each frame and flow of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "maps/flow.h"
#include "test/bpf/datapath.h"

struct stress_bpf;

namespace shunt::test {

class StressTraffic {
public:
    // Serves the frontends on the datapath, which was just emptied.
    StressTraffic(Datapath& datapath, const Network& network, const Datapath::Options& options);
    ~StressTraffic();

    // A power of two, at most 65536. Between runs only.
    void set_clients(unsigned count, bool only_syns = false);

    // Packets of all clients and pods, `repeat` of them, on this CPU. What is wrong with the last one of them, if it was
    // forwarded: empty if nothing.
    struct Burst {
        bool was_forwarded = false;
        std::string fault;
    };
    Burst run(int version, bool at_egress, unsigned repeat) const;

    // What is wrong with an entry of its table.
    std::string fault_of(const flow4& flow) const;
    std::string fault_of(const flow6& flow) const;

private:
    struct Tuple {
        packet::Address saddr, daddr;
        unsigned sport = 0, dport = 0;
        bool operator==(const Tuple&) const = default;
    };
    std::string fault_of_translation(const Tuple& before, const Tuple& after) const;
    template <typename Flow>
    std::string fault_of_flow(const Flow& flow) const;
    std::uint32_t stripe_of_client(const packet::Address& address, unsigned port, const Tuple& dialled) const;

    Datapath& datapath_;
    const Network& network_;
    Datapath::Options options_;
    std::unique_ptr<stress_bpf, void (*)(stress_bpf*)> skeleton_;
};

}  // namespace shunt::test
