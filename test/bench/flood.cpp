// SPDX-License-Identifier: Apache-2.0
#include "test/bench/flood.h"

#include <algorithm>
#include <bit>

#include "agent/bench/opening.h"
#include "agent/bench/visits.h"
#include "agent/bench/wrapper.h"

namespace shunt::bench {
namespace {

// Clients of the flood and after it: none of them is one of the established.
constexpr std::uint32_t kFirstSource = 1U << 24;
constexpr std::uint32_t kFirstHonest = 1U << 27;

std::vector<Flow> sources(std::uint32_t number) {
    std::vector<Flow> flows(std::bit_ceil(number));
    for (std::uint32_t i = 0; i < flows.size(); i++) {
        flows[i].number = kFirstSource + i;
    }
    return flows;
}

// How many times `counted` was counted while `wrapper` sent its packets.
Result<std::uint64_t> send(const Datapath& datapath, Wrapper& wrapper, std::uint32_t packets, event counted) {
    const auto before = datapath.events();
    const auto sent = wrapper.run(packets);
    const auto after = datapath.events();
    if (!before || !sent || !after) {
        return std::unexpected(!before ? before.error() : !sent ? sent.error() : after.error());
    }
    return (*after)[counted] - (*before)[counted];
}

// A connection that finds its way in both directions.
bool connects(const Datapath& datapath, std::uint32_t number) {
    std::vector<Flow> one{{.number = number}};
    const auto syn = incoming(Path::new_remote, datapath.family(), one.front()).frame();
    return datapath.run(Path::new_remote, Hook::xdp, syn).has_value() &&
           check_both_directions(datapath, Placement::remote, one).has_value();
}

}  // namespace

Result<FloodOutcome> flood(const Contestant& contestant, const ScratchNetwork& network, const Flood& flood) {
    const Room room{.family = IPV4, .flows = flood.max_flows, .max_flows = flood.max_flows};
    const auto datapath = Datapath::make(contestant, room, Placement::remote, network);
    if (!datapath) {
        return std::unexpected(datapath.error());
    }
    const auto flows = open_flows(*datapath, Placement::remote, flood.established);
    if (!flows) {
        return std::unexpected(flows.error());
    }
    const std::vector<Flow> order = visiting_order(*flows, Visits::uniform);
    const std::vector<Flow> attackers = sources(flood.syns);
    auto established = Wrapper::make(*datapath, Path::remote_request, Hook::xdp, order);
    auto syns = Wrapper::make(*datapath, Path::new_remote, Hook::xdp, attackers);
    if (!established || !syns) {
        return std::unexpected(established ? syns.error() : established.error());
    }
    FloodOutcome outcome;
    for (std::uint32_t sent = 0; sent < flood.syns; sent += flood.slice) {
        if (auto tended = datapath->tend(); !tended) {
            return std::unexpected(tended.error());
        }
        const std::uint32_t packets = std::min(flood.slice, flood.syns - sent);
        const auto before = datapath->events();
        const auto run = syns->run(packets);
        const auto after = datapath->events();
        if (!before || !run || !after) {
            return std::unexpected(!run ? run.error() : !before ? before.error() : after.error());
        }
        outcome.ns_per_syn += run->ns * packets / flood.syns;
        outcome.syns_refused += packets - ((*after)[FLOW_OPENED] - (*before)[FLOW_OPENED]);
        established->go_to(0);
        const auto alive = send(*datapath, *established, flood.established, FORWARDED_REMOTE_REQUEST);
        if (!alive) {
            return std::unexpected(alive.error());
        }
        outcome.established_lost = flood.established - *alive;  // who is lost once stays lost
    }
    for (std::uint32_t i = 0; i < flood.honest; i++) {
        outcome.honest_refused += !connects(*datapath, kFirstHonest + i);
    }
    return outcome;
}

}  // namespace shunt::bench
