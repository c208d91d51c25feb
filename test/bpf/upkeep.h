// SPDX-License-Identifier: Apache-2.0
// The real upkeep programs on a datapath's maps, run by hand.
#pragma once

#include <memory>

#include "test/bpf/datapath.h"

struct upkeep_bpf;

namespace shunt::test {

class Upkeep {
public:
    explicit Upkeep(const Datapath& datapath);
    ~Upkeep();

    // One call of the timer; true while a table grows.
    bool once() const;
    // Until every block of both tables has been visited, and visited again.
    void pass() const;
    // Until neither table grows; false if they still do after many calls.
    bool settle() const;

private:
    const Datapath& datapath_;
    std::unique_ptr<upkeep_bpf, void (*)(upkeep_bpf*)> skeleton_;
};

}  // namespace shunt::test
