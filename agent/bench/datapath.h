// SPDX-License-Identifier: Apache-2.0
// A contestant's programs on scratch maps, filled as the agent would fill them: a device, a Service with backends, one
// without.
#pragma once

#include "agent/bench/contestant.h"
#include "agent/bench/path.h"
#include "agent/bench/scratch_network.h"
#include "maps/event.h"
#include "maps/service.h"

namespace shunt::bench {

using Events = std::array<std::uint64_t, EVENT_COUNT>;

Events operator-(const Events& now, const Events& before);
std::string to_string(const Events& events);  // "FLOW_OPENED 2, FORWARDED_LOCAL_REQUEST 2"; "nothing"

class Datapath {
public:
    static Result<Datapath> make(const Contestant& contestant, const Room& room, Placement placement,
                                 const ScratchNetwork& network);

    address_family family() const { return family_; }
    const ScratchNetwork& network() const { return network_; }
    Result<int> program(const char* name) const;
    Result<RunOutcome> run(Path path, Hook hook, const Bytes& frame) const;

    Result<Events> events() const;
    // What user space does from time to time: a sign of life, the contestant's own care.
    Status tend() const;

private:
    Datapath(Object object, const Contestant& contestant, address_family family, const ScratchNetwork& network)
        : object_(std::move(object)), contestant_(&contestant), family_(family), network_(network) {}
    Status put(const char* map, const void* key, const void* value) const;
    Status put_device() const;
    Status put_backends(Placement placement) const;
    Status put_service(std::uint32_t id, std::uint16_t port, traffic_policy policy) const;

    Object object_;
    const Contestant* contestant_;
    address_family family_;
    ScratchNetwork network_;
};

}  // namespace shunt::bench
