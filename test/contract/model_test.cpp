// SPDX-License-Identifier: Apache-2.0
// The judges of the contract's tests can say no.
#include "test/contract/model.h"

#include <gtest/gtest.h>

#include <sstream>

#include "test/contract/answers.h"
#include "test/contract/generator.h"
#include "test/packet/actors.h"
#include "test/packet/frame.h"

namespace shunt::contract {
namespace {

using namespace packet::actors;

World with(std::vector<Endpoint> endpoints) {
    World world;
    world.node = "node-a";
    Service service;
    service.name = "orders";
    service.type = Service::Type::LOAD_BALANCER;
    service.versions = {4};
    service.ports = {{.name = "", .protocol = Protocol::TCP, .port = 80, .node_port = 30080}};
    service.ingress_ips = {vip.ipv4};
    service.slices = {{.version = 4, .ports = {{.name = "", .protocol = Protocol::TCP, .port = 8080}}, .endpoints = std::move(endpoints)}};
    world.services["orders"] = service;
    return world;
}

const Packet SYN_TO_VIP{.source = client.ipv4, .destination = vip.ipv4, .source_port = 40001, .destination_port = 80, .flags = SYN};

TEST(ContractModel, PrefixesCompareBits) {
    EXPECT_TRUE((Prefix{"198.51.100.0", 24}.contains("198.51.100.255")));
    EXPECT_FALSE((Prefix{"198.51.100.0", 24}.contains("198.51.101.0")));
    EXPECT_TRUE((Prefix{"198.51.100.6", 31}.contains("198.51.100.7")));
    EXPECT_FALSE((Prefix{"198.51.100.6", 31}.contains("198.51.100.8")));
    EXPECT_TRUE((Prefix{"0.0.0.0", 0}.contains("203.0.113.1")));
    EXPECT_FALSE((Prefix{"0.0.0.0", 0}.contains("2001:db8::1")));
    EXPECT_TRUE((Prefix{"2001:db8:51::", 64}.contains("2001:db8:51::7")));
}

TEST(ContractModel, ConnectionsBeginMoveAndEnd) {
    Model model(with({{.address = a1.ipv4, .node = "node-a"}, {.address = b1.ipv4, .node = "node-b"}}));
    const Destination here{.address = a1.ipv4, .port = 8080, .is_local = true}, there{.address = b1.ipv4, .port = 8080};
    EXPECT_EQ(model.decide(SYN_TO_VIP).destinations, (std::set{here, there}));
    model.forwarded(SYN_TO_VIP, here);
    EXPECT_EQ(model.decide(SYN_TO_VIP).rule, Rule::RESCUE);
    EXPECT_EQ(model.decide(SYN_TO_VIP).destinations, std::set{there});
    model.answered(SYN_TO_VIP, SYN | ACK);
    EXPECT_EQ(model.decide(SYN_TO_VIP).rule, Rule::FLOW);
    model.change(with({}));
    EXPECT_EQ(model.decide(SYN_TO_VIP).rule, Rule::FLOW_AFTER_CHANGE);
    EXPECT_EQ(model.decide(SYN_TO_VIP).destinations, std::set{here});
    model.answered(SYN_TO_VIP, RST);
    EXPECT_EQ(model.decide(SYN_TO_VIP).outcome, Outcome::RESET);
}

// What one seed makes it makes again, and another makes something else.
TEST(ContractModel, SeedsRepeat) {
    auto packets = [](std::uint64_t seed) {
        Generator generate(seed);
        const World world = generate.world();
        std::ostringstream text;
        for (int i = 0; i < 20; i++) {
            text << generate.packet(world) << '\n';
        }
        text << generate.change(world);
        return text.str();
    };
    EXPECT_EQ(packets(7), packets(7));
    EXPECT_NE(packets(7), packets(8));
}

// ---- Answers: a right one passes, and with any octet changed that means something it does not.

using packet::Bytes;

template <typename Judge>
void expect_every_octet_counts(const Bytes& request, const Bytes& answer, std::set<std::size_t> free, Judge judge) {
    EXPECT_EQ(judge(request, answer), "") << packet::Frame(answer);
    for (std::size_t i = 0; i < answer.size(); i++) {
        Bytes changed = answer;
        changed[i] ^= 0x40;
        if (!free.contains(i)) {
            EXPECT_NE(judge(request, changed), "") << "octet " << i;
        }
    }
    for (std::size_t size = 0; size < answer.size(); size++) {
        EXPECT_NE(judge(request, Bytes(answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(size))), "") << size << " octets";
    }
}

TEST(ContractAnswers, Reset) {
    for (const int version : {4, 6}) {
        const Address from = client.address(version), to = vip.address(version);
        const Bytes request = (packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac} / packet::Layer(packet::Ip{from, to}) /
                               packet::TCP{.sport = 40001, .dport = 80, .sequence = 0xfffffffe, .flags = packet::SYN} /
                               packet::Payload{"odd"})
                                  .build();
        const Bytes answer = (packet::Ethernet{.daddr = router.mac, .saddr = node_a.mac} / packet::Layer(packet::Ip{to, from}) /
                              packet::TCP{.sport = 80, .dport = 40001, .sequence = 0, .acknowledgement = 2,
                                          .flags = packet::RST | packet::ACK})
                                 .build();
        // IPv6 has no sum over its first words (traffic class, flow label) and the hop limit; 104 hops do, too.
        const std::set<std::size_t> free = version == 4 ? std::set<std::size_t>{} : std::set<std::size_t>{15, 16, 17};
        expect_every_octet_counts(request, answer, free, [](FrameBytes r, FrameBytes a) { return fault_of_reset(r, a); });
    }
}

TEST(ContractAnswers, Unreachable) {
    for (const int version : {4, 6}) {
        const Address from = client.address(version), to = vip.address(version);
        const packet::Packet datagram = packet::Packet(packet::Ip{from, to}) / packet::UDP{.sport = 40001, .dport = 80} / packet::Payload{"odd"};
        const Bytes request = (packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac} / packet::Layer(packet::Ip{from, to}) /
                               packet::UDP{.sport = 40001, .dport = 80} / packet::Payload{"odd"})
                                  .build();
        packet::Packet answer = packet::Ethernet{.daddr = router.mac, .saddr = node_a.mac} / packet::Layer(packet::Ip{to, from});
        if (version == 4) {
            answer /= packet::ICMPv4{.type = 3, .code = 3};
        } else {
            answer /= packet::ICMPv6{.type = 1, .code = 4};
        }
        answer /= packet::quote(datagram);
        const std::set<std::size_t> free = version == 4 ? std::set<std::size_t>{} : std::set<std::size_t>{15, 16, 17};
        expect_every_octet_counts(request, answer.build(), free,
                                  [](FrameBytes r, FrameBytes a) { return fault_of_unreachable(r, a); });
    }
}

TEST(ContractAnswers, EchoReply) {
    for (const int version : {4, 6}) {
        const Address from = client.address(version), to = vip.address(version);
        packet::Packet request = packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac} / packet::Layer(packet::Ip{from, to});
        packet::Packet answer = packet::Ethernet{.daddr = router.mac, .saddr = node_a.mac} / packet::Layer(packet::Ip{to, from});
        if (version == 4) {
            request /= packet::ICMPv4{.type = 8, .rest = 7};
            answer /= packet::ICMPv4{.type = 0, .rest = 7};
        } else {
            request /= packet::ICMPv6{.type = 128, .rest = 7};
            answer /= packet::ICMPv6{.type = 129, .rest = 7};
        }
        request /= packet::Payload{"odd"};
        answer /= packet::Payload{"odd"};
        const std::set<std::size_t> free = version == 4 ? std::set<std::size_t>{} : std::set<std::size_t>{15, 16, 17};
        expect_every_octet_counts(request.build(), answer.build(), free,
                                  [](FrameBytes r, FrameBytes a) { return fault_of_echo_reply(r, a); });
    }
}

}  // namespace
}  // namespace shunt::contract
