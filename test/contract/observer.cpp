// SPDX-License-Identifier: Apache-2.0
#include "test/contract/observer.h"

#include <algorithm>
#include <sstream>

#include "test/contract/answers.h"
#include "test/packet/actors.h"

namespace shunt::contract {

using packet::Checksum;
using packet::View;
using test::Verdict;

packet::Packet frame_of(const Packet& packet, std::uint32_t sequence, std::uint32_t acknowledged) {
    using namespace packet::actors;
    packet::Packet frame = packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac};
    frame /= packet::Ip{.saddr = packet.source, .daddr = packet.destination, .ttl = 61};
    switch (packet.protocol) {
        case Protocol::TCP:
            return frame / packet::TCP{.sport = packet.source_port,
                                       .dport = packet.destination_port,
                                       .sequence = sequence,
                                       .acknowledgement = acknowledged,
                                       .flags = packet.flags};
        case Protocol::UDP:
            return frame / packet::UDP{.sport = packet.source_port, .dport = packet.destination_port} /
                   packet::Payload{"GET /v1/order"};
        case Protocol::ECHO: {
            const std::uint32_t rest = std::uint32_t{packet.source_port} << 16 | 1;
            if (packet.destination.version == 4) {
                frame /= packet::ICMPv4{.type = 8, .rest = rest};
            } else {
                frame /= packet::ICMPv6{.type = 128, .rest = rest};
            }
            return frame / packet::Payload{"is there anybody"};
        }
        case Protocol::OTHER:
            break;
    }
    return frame / packet::Payload{"neither ports nor echo"};
}

namespace {

const std::map<event, Outcome>& drops() {
    static const std::map<event, Outcome> outcomes{{DROP_NO_LOCAL_ENDPOINT, Outcome::NO_LOCAL_ENDPOINT},
                                                   {DROP_SOURCE_RANGE, Outcome::OUT_OF_RANGE},
                                                   {DROP_VIP_OTHER_PORT, Outcome::VIP_OTHER_PORT}};
    return outcomes;
}

// The Ethernet and IP part of what became of a forwarded packet.
void observe_forwarded(test::Program program, const View& before, const View& after, Verdict verdict, Observation& seen) {
    seen.outcome = Outcome::FORWARDED;
    seen.to = Destination{.address = after.daddr, .port = after.dport, .is_local = verdict == Verdict::PASSED};
    seen.source = after.saddr;
    seen.source_port = after.sport;
    if (!after.is_whole || !after.has_ports || after.bytes.size() != before.bytes.size()) {
        seen.fault = "the forwarded packet is not whole";
    } else if (after.l4_checksum != before.l4_checksum || (after.saddr.version == 4 && after.ip_checksum != Checksum::RIGHT)) {
        seen.fault = "checksum of the forwarded packet";
    } else if (after.tcp_flags != before.tcp_flags) {
        seen.fault = "flags";
    } else if (after.ttl != before.ttl - (seen.to->is_local ? 0 : 1)) {
        seen.fault = "TTL " + std::to_string(after.ttl);
    } else if (program != test::Program::XDP_INGRESS && verdict == Verdict::SENT_BACK) {
        seen.fault = "sent back by tc";
    }
}

}  // namespace

Observation observe(test::Program program, const Packet& packet, std::span<const std::uint8_t> sent,
                    const test::Outcome& outcome) {
    Observation seen;
    const bool is_same = std::ranges::equal(sent, outcome.frame.bytes);
    if (outcome.verdict == Verdict::REFUSED || outcome.verdict == Verdict::OTHER) {
        seen.fault = std::string("the verdict is ") + test::name(outcome.verdict);
        return seen;
    }
    if (!outcome.metadata.empty()) {
        seen.fault = "handed to tc";
        return seen;
    }
    if (outcome.verdict == Verdict::DROPPED) {
        for (const auto& [event, count] : outcome.events.counts) {
            if (const auto known = drops().find(event); known != drops().end() && count == 1) {
                seen.outcome = known->second;
                return seen;
            }
        }
        seen.fault = "dropped for another reason";
        return seen;
    }
    if (is_same) {
        seen.fault = outcome.verdict == Verdict::PASSED ? "" : "sent as it was";
        return seen;
    }
    const View before(sent), after(outcome.frame.bytes);
    if (outcome.verdict != Verdict::PASSED && after.daddr == packet.source && after.saddr == packet.destination) {
        if (outcome.events.counts.contains(ANSWERED_RESET)) {
            seen.outcome = Outcome::RESET;
            seen.fault = fault_of_reset(sent, outcome.frame.bytes);
        } else if (outcome.events.counts.contains(ANSWERED_UNREACHABLE)) {
            seen.outcome = Outcome::UNREACHABLE;
            seen.fault = fault_of_unreachable(sent, outcome.frame.bytes);
        } else if (outcome.events.counts.contains(ANSWERED_ECHO)) {
            seen.outcome = Outcome::ECHO_ANSWERED;
            seen.fault = fault_of_echo_reply(sent, outcome.frame.bytes);
        } else {
            seen.fault = "an answer that was not counted";
        }
        return seen;
    }
    observe_forwarded(program, before, after, outcome.verdict, seen);
    return seen;
}

std::string difference(const World& world, const Decision& decision, const Packet& packet, const Observation& seen) {
    std::ostringstream text;
    if (!seen.fault.empty()) {
        text << seen.fault;
    } else if (seen.outcome != decision.outcome) {
        text << "it was " << name(seen.outcome);
        if (seen.to) {
            text << " to " << *seen.to;
        }
    } else if (seen.outcome == Outcome::FORWARDED) {
        const auto chosen = decision.destinations.find(*seen.to);
        const bool keeps_client = seen.source == packet.source && seen.source_port == packet.source_port;
        const auto& own = world.own_addresses;
        const bool is_ours = std::ranges::find(own, seen.source) != own.end();
        if (chosen == decision.destinations.end()) {
            text << "it went to " << *seen.to;
        } else if (chosen->is_local != seen.to->is_local) {
            text << "it went to " << *seen.to << ", by the wrong way";
        } else if (chosen->is_local && !keeps_client) {
            text << "the endpoint sees " << seen.source.to_string() << ' ' << seen.source_port;
        } else if (!chosen->is_local && (!is_ours || seen.source_port < 10240 || seen.source_port >= 26624)) {
            text << "the endpoint on another node sees " << seen.source.to_string() << ' ' << seen.source_port;
        }
    }
    return text.str();
}

}  // namespace shunt::contract
