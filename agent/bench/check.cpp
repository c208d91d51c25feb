// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/check.h"

#include <arpa/inet.h>

#include "agent/bench/scene.h"

namespace shunt::bench {
namespace {

constexpr std::uint64_t kOpeningsForOneRefusal = 1000;

}  // namespace

Complaint check_outcome(Path path, Hook hook, address_family family, const Flow& flow, const RunOutcome& outcome) {
    if (const auto expected = expected_action(path, hook); outcome.action != expected) {
        return "the program returned " + action_name(hook, outcome.action) + ", not " + action_name(hook, expected);
    }
    if (const Bytes expected = outgoing(path, family, flow).frame(); outcome.frame != expected) {
        return "the packet came out as " + describe(family, outcome.frame) + ", not as " + describe(family, expected);
    }
    return std::nullopt;
}

Complaint check_events(const std::vector<event>& expected, std::uint64_t times, const Events& counted) {
    Events all{};
    for (const event one : expected) {
        all[one] = times;
    }
    if (counted != all) {
        return std::to_string(times) + " packets were to count " + to_string(all) + ", they counted " +
               to_string(counted);
    }
    return std::nullopt;
}

Complaint check_openings(Path path, std::uint64_t times, const Events& counted, std::uint64_t& refused) {
    refused = counted[DROP_FLOW_TABLE_FULL] + counted[DROP_SNAT_PORTS_EXHAUSTED];
    Events others = counted;
    others[DROP_FLOW_TABLE_FULL] = others[DROP_SNAT_PORTS_EXHAUSTED] = 0;
    others[FLOW_EVICTED] = others[FLOW_TABLE_GREW] = 0;
    if (refused + counted[FLOW_EVICTED] > times / kOpeningsForOneRefusal) {
        return std::to_string(refused) + " of " + std::to_string(times) + " flows were refused, " +
               std::to_string(counted[FLOW_EVICTED]) + " gave way: " + to_string(counted);
    }
    return check_events(expected_events(path), times - refused, others);
}

Flow with_translation(address_family family, Flow flow, const Bytes& sent) {
    const Tuple tuple = tuple_of(family, sent);
    const std::uint32_t first = ntohl(last_word(scene(family).remote_network));
    flow.backend = static_cast<std::uint16_t>((ntohl(last_word(tuple.destination)) - first) % kRemoteBackends);
    flow.snat_port = tuple.source_port;
    return flow;
}

}  // namespace shunt::bench
