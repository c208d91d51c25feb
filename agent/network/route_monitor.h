// SPDX-License-Identifier: Apache-2.0
// Listens to what the kernel says about links, addresses, routes, rules, next-hop objects and neighbours, and
// reduces it to what the agent has to do. The judgement itself is in change_judge.h.
#pragma once

#include <utility>
#include <vector>

#include "agent/network/change_judge.h"
#include "agent/support/fd.h"
#include "agent/support/result.h"

namespace shunt {

class RouteMonitor {
public:
    // Subscribes first, then reads what there is: nothing falls between. What changed before nobody knows, so the
    // caller raises the route epoch once after open().
    static Result<RouteMonitor> open();

    // For the caller's event loop: becomes readable when on_readable() has something to do. It stays ours.
    int fd() const { return fd_.get(); }

    // What the judgement depends on; to be set after each discover().
    void watch(Watch watch) { judge_.watch(std::move(watch)); }

    // Reads until nothing is left, without blocking, as edge-triggered loops need it. Lost events are no error; with
    // an error the socket is of no more use.
    Result<NetworkChange> on_readable();

private:
    explicit RouteMonitor(Fd fd);
    Status read_all();
    NetworkChange judge_buffer(std::size_t size);

    Fd fd_;
    ChangeJudge judge_;
    std::vector<char> buffer_;
};

}  // namespace shunt
