// SPDX-License-Identifier: Apache-2.0
// Listens to what the kernel says about links, addresses, routes, rules, next-hop objects and neighbours, and
// reduces it to what the agent has to do. The judgement itself is in change_judge.h.
#pragma once

#include "agent/network/change_judge.h"
#include "agent/support/fd.h"
#include "agent/support/result.h"

namespace shunt {

class RouteMonitor {
public:
    // Subscribes first, then reads what there is: nothing falls between. What changed before nobody knows, so
    // the caller raises the route epoch once after open().
    static Result<RouteMonitor> open();

    // For the caller's event loop; non-blocking, readable when on_readable() has something to do.
    int fd() const { return fd_.get(); }

    // What the judgement depends on; after every discover().
    void watch(Watch watch) { judge_.watch(std::move(watch)); }

    // Reads until the socket is empty. An error means the socket is of no use any more; an overrun is none.
    Result<NetworkChange> on_readable();

private:
    explicit RouteMonitor(Fd fd) : fd_(std::move(fd)) {}
    Status read_all();

    Fd fd_;
    ChangeJudge judge_;
};

}  // namespace shunt
