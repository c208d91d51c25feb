// SPDX-License-Identifier: Apache-2.0
// Where there is nothing to forward to: what the client gets to hear, and what stays unanswered.
#include <bpf/bpf.h>
#include <sched.h>

#include "maps/control.h"
#include "test/contract/answers.h"
#include "test/contract/fixture.h"

namespace shunt::contract {
namespace {

using namespace packet::actors;
using test::Verdict;

class Refusal : public ContractTest {
protected:
    void serve(std::vector<Endpoint> endpoints = {}) {
        orders() = orders_with(std::move(endpoints));
        in_force();
    }
    // Whether answers leave as they came.
    void expect_sent_back(const test::Outcome& outcome) {
        EXPECT_EQ(outcome.verdict, sent(network().uplink, network().uplink));
    }
    // As `shunt drain` does: all else in `control` stays.
    void drain() {
        const __u32 zero = 0;
        const int map = datapath().map_fd("control");
        control value{};
        ASSERT_EQ(bpf_map_lookup_elem(map, &zero, &value), 0);
        value.drain = DRAIN_NEW_FLOWS;
        ASSERT_EQ(bpf_map_update_elem(map, &zero, &value, BPF_EXIST), 0);
    }
    packet::Packet from_client(const packet::Layer& l4, const std::string& payload) const {
        return packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac} /
               packet::Layer(packet::Ip{.saddr = client(), .daddr = vip()}) / l4 / packet::Payload{payload};
    }
    packet::Packet first_packet(const std::string& payload) const {
        return is_tcp() ? from_client(packet::TCP{.sport = 40001, .dport = PORT, .sequence = 0xfffffff0, .flags = packet::SYN}, payload)
                        : from_client(packet::UDP{.sport = 40001, .dport = PORT}, payload);
    }
    std::string fault(const packet::Bytes& request, const test::Outcome& outcome) const {
        return is_tcp() ? fault_of_reset(request, outcome.frame.bytes) : fault_of_unreachable(request, outcome.frame.bytes);
    }
};

TEST_P(Refusal, NoEndpointRefusesAtEveryFrontend) {
    serve();
    for (const auto& [address, port] : {std::pair{vip(), PORT}, {external_ip(), PORT}, {node(), NODE_PORT}}) {
        const auto before = counted(is_tcp() ? ANSWERED_RESET : ANSWERED_UNREACHABLE);
        const Sent sent = send(dial(address, port));
        EXPECT_EQ(sent.seen.outcome, refusal());
        EXPECT_EQ(sent.seen.fault, "");
        expect_sent_back(sent.outcome);
        EXPECT_EQ(counted(is_tcp() ? ANSWERED_RESET : ANSWERED_UNREACHABLE), before + 1);
    }
    EXPECT_EQ(datapath().flows().size(), 0u);
}

TEST_P(Refusal, EvictedPodsAreNoEndpoints) {
    serve({at(a1), at(b1)});
    for (Endpoint& endpoint : endpoints()) {
        endpoint.ready = endpoint.serving = false;
    }
    in_force();
    expect_outcome(dial(), refusal());
}

// Every length, the odd ones too, up to more than an answer quotes.
TEST_P(Refusal, AnswerIsRightForEveryLengthOfThePacket) {
    serve();
    for (std::size_t size = 0; size < 1400; size += size < 70 ? 1 : 37) {
        const packet::Bytes frame = first_packet(std::string(size, 'x') + 'y').build();
        const test::Outcome outcome = datapath().run(ingress(), network().uplink, frame, {.checksum_complete = false});
        EXPECT_EQ(fault(frame, outcome), "") << size << outcome.frame;
    }
}

TEST_P(Refusal, AnswerIsRightWithOptionsAndFillBytes) {
    serve();
    packet::Packet packet = packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac};
    if (version() == 4) {
        packet /= packet::IPv4{.saddr = client(), .daddr = vip(), .options = packet::from_hex("94040000 0707 0400 0000 00")};
    } else {
        packet /= packet::IPv6{.saddr = client(), .daddr = vip(), .traffic_class = 0x2e, .flow_label = 0x12345};
    }
    if (is_tcp()) {
        packet /= packet::TCP{.sport = 40001, .dport = PORT, .flags = packet::SYN, .options = packet::from_hex("020405b4 0402 0101")};
    } else {
        packet /= packet::UDP{.sport = 40001, .dport = PORT};
    }
    packet::Bytes frame = packet.build();
    frame.resize(frame.size() + 7);  // as Ethernet fills short frames up
    const test::Outcome outcome = datapath().run(ingress(), network().uplink, frame, {.checksum_complete = false});
    EXPECT_EQ(fault(frame, outcome), "") << outcome.frame;
}

TEST_P(Refusal, DatagramWithoutAChecksumIsQuotedAsItIs) {
    if (is_tcp()) {
        GTEST_SKIP() << "UDP has that";
    }
    serve();
    const packet::Bytes frame = from_client(packet::UDP{.sport = 40001, .dport = PORT, .checksum = 0}, "odd").build();
    const test::Outcome outcome = datapath().run(ingress(), network().uplink, frame, {.checksum_complete = false});
    EXPECT_EQ(fault_of_unreachable(frame, outcome.frame.bytes), "") << outcome.frame;
}

// Only the first packet of a connection is refused: others may be of one that somebody else serves.
TEST_P(Refusal, SegmentsOfNoConnectionAreLeftAlone) {
    if (!is_tcp()) {
        GTEST_SKIP() << "every datagram is a first one";
    }
    serve();
    for (const std::uint8_t flags : {ACK + 0, SYN | ACK, RST + 0, FIN | ACK}) {
        Packet packet = dial();
        packet.flags = static_cast<std::uint8_t>(flags);
        expect_outcome(packet, Outcome::PASSED);
    }
}

// A reset must never answer a reset, and an error never a sender that is nobody or everybody.
TEST_P(Refusal, SendersThatAreNotOneHostGetNoAnswer) {
    serve();
    const std::vector<Address> senders = version() == 4
                                             ? std::vector<Address>{"0.0.0.0", "224.0.0.1", "255.255.255.255", "127.0.0.1"}
                                             : std::vector<Address>{"::", "ff02::1"};
    for (const Address& sender : senders) {
        const Sent sent = send(dial(sender, vip(), PORT));
        EXPECT_TRUE(sent.outcome.verdict == Verdict::DROPPED || sent.outcome.verdict == Verdict::PASSED) << sender.to_string();
        EXPECT_EQ(sent.outcome.frame.bytes, sent.frame);
    }
}

// 1,000 in a tick and processor; the rest is dropped and counted.
TEST_P(Refusal, RateIsLimited) {
    serve();
    cpu_set_t before, one;
    sched_getaffinity(0, sizeof(before), &before);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    const event answered = is_tcp() ? ANSWERED_RESET : ANSWERED_UNREACHABLE;
    const packet::Bytes frame = first_packet("").build();
    bool was_whole_tick = false;
    for (int attempt = 0; attempt < 20 && !was_whole_tick; attempt++) {
        wait_for_a_new_tick();
        const std::uint32_t tick = test::tick_now();
        const std::uint64_t answers = counted(answered), drops = counted(DROP_NO_ENDPOINTS);
        std::vector<std::uint8_t> out(2048);
        for (int i = 0; i < 1100; i++) {
            datapath().run_raw(ingress(), network().uplink, frame, out, {.checksum_complete = false});
        }
        was_whole_tick = test::tick_now() == tick;
        if (was_whole_tick) {
            EXPECT_EQ(counted(answered) - answers, 1000u);
            EXPECT_EQ(counted(DROP_NO_ENDPOINTS) - drops, 100u);
        }
    }
    EXPECT_TRUE(was_whole_tick) << "the machine is too slow to send 1,100 packets in a second";
    wait_for_a_new_tick();
    expect_outcome(dial(), refusal());
    sched_setaffinity(0, sizeof(before), &before);
}

TEST_P(Refusal, ServiceWithEndpointsAgainRefusesNoMore) {
    serve();
    expect_outcome(dial(), refusal());
    set_endpoints({at(b1)});
    in_force();
    EXPECT_EQ(reached(), "b1");
}

// ---- A load balancer's address beyond its ports

TEST_P(Refusal, OtherPortsOfAVipAreDroppedAndCounted) {
    serve({at(a1)});
    const auto before = counted(DROP_VIP_OTHER_PORT);
    expect_outcome(dial(vip(), PORT + 1), Outcome::VIP_OTHER_PORT);
    expect_outcome(dial(vip(), NODE_PORT), Outcome::VIP_OTHER_PORT);
    Packet other = dial(vip(), PORT);
    other.protocol = is_tcp() ? Protocol::UDP : Protocol::TCP;
    expect_outcome(other, Outcome::VIP_OTHER_PORT);
    EXPECT_EQ(counted(DROP_VIP_OTHER_PORT), before + 3);
    begin(dial(vip(), PORT));
}

TEST_P(Refusal, SegmentsToOtherPortsOfAVipAreDroppedToo) {
    if (!is_tcp()) {
        GTEST_SKIP() << "of TCP";
    }
    serve({at(a1)});
    for (const std::uint8_t flags : {ACK + 0, SYN | ACK, RST + 0, FIN | ACK}) {
        Packet packet = dial(vip(), PORT + 1);
        packet.flags = static_cast<std::uint8_t>(flags);
        expect_outcome(packet, Outcome::VIP_OTHER_PORT);
    }
}

TEST_P(Refusal, OtherPortsOfExternalIpsAndNodeAddressesPass) {
    serve({at(a1)});
    expect_outcome(dial(external_ip(), PORT + 1), Outcome::PASSED);
    expect_outcome(dial(node(), NODE_PORT + 1), Outcome::PASSED);
}

TEST_P(Refusal, VipThatADeviceHasIsTheHosts) {
    orders() = orders_with({at(a1)});
    orders().ingress_ips = {of(node_a_storage)};
    in_force();
    EXPECT_EQ(reached(of(node_a_storage), PORT), "a1");
    expect_outcome(dial(of(node_a_storage), 22), Outcome::PASSED);
    Packet echo = dial(of(node_a_storage), 0);
    echo.protocol = Protocol::ECHO;
    expect_outcome(echo, Outcome::PASSED);
}

TEST_P(Refusal, VipThatIsGoneIsNobodys) {
    serve({at(a1)});
    orders().ingress_ips = {"203.0.113.77", "2001:db8:203::77"};
    in_force();
    expect_outcome(dial(vip(), PORT), Outcome::PASSED);
    expect_outcome(dial(vip(), PORT + 1), Outcome::PASSED);
}

TEST_P(Refusal, VipOfTwoServicesServesBothAndClosesWithTheLast) {
    serve({at(a1)});
    Service second = orders_with({at(b1)});
    second.name = "second";
    second.ports.front().port = 81;
    second.ports.front().node_port = 30081;
    second.external_ips.clear();
    world.services["second"] = second;
    in_force();
    EXPECT_EQ(reached(vip(), PORT), "a1");
    EXPECT_EQ(reached(vip(), 81), "b1");
    expect_outcome(dial(vip(), 82), Outcome::VIP_OTHER_PORT);
    world.services.erase("orders");
    in_force();
    EXPECT_EQ(reached(vip(), 81), "b1");
    expect_outcome(dial(vip(), PORT), Outcome::VIP_OTHER_PORT);
    world.services.clear();
    in_force();
    expect_outcome(dial(vip(), 81), Outcome::PASSED);
}

TEST_P(Refusal, EchoToAVipIsAnswered) {
    serve();
    for (std::size_t size : {0u, 1u, 56u, 57u, 1000u, 1400u}) {
        packet::Packet packet = packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac} /
                                packet::Layer(packet::Ip{.saddr = client(), .daddr = vip(), .ttl = 3});
        if (version() == 4) {
            packet /= packet::ICMPv4{.type = 8, .rest = 0x12340007};
        } else {
            packet /= packet::ICMPv6{.type = 128, .rest = 0x12340007};
        }
        const packet::Bytes frame = (packet / packet::Payload{std::string(size, 'p')}).build();
        const auto before = counted(ANSWERED_ECHO);
        const test::Outcome outcome = datapath().run(ingress(), network().uplink, frame, {.checksum_complete = false});
        EXPECT_EQ(fault_of_echo_reply(frame, outcome.frame.bytes), "") << size << outcome.frame;
        expect_sent_back(outcome);
        EXPECT_EQ(counted(ANSWERED_ECHO), before + 1);
    }
}

TEST_P(Refusal, EchoToOtherAddressesPasses) {
    serve({at(a1)});
    for (const Address& address : {node(), external_ip(), of(stranger), of(a1)}) {
        Packet echo = dial(address, 0);
        echo.protocol = Protocol::ECHO;
        expect_outcome(echo, Outcome::PASSED);
    }
}

// Nobody else can be meant: passed on, such a packet goes to and fro between node and router.
TEST_P(Refusal, OtherProtocolsToAVipAreDropped) {
    serve({at(a1)});
    packet::Packet packet = packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac};
    if (version() == 4) {
        packet /= packet::IPv4{.saddr = client(), .daddr = vip(), .protocol = 47};
    } else {
        packet /= packet::IPv6{.saddr = client(), .daddr = vip(), .next_header = 47};
    }
    const test::Outcome outcome = datapath().run(ingress(), network().uplink, packet / packet::Payload{"generic routing encapsulation"});
    EXPECT_EQ(outcome.verdict, Verdict::DROPPED);
    EXPECT_EQ(outcome.events, test::Events{DROP_VIP_OTHER_PORT});
}

TEST_P(Refusal, DrainingNodeAnswersNothing) {
    serve();
    drain();
    expect_outcome(dial(), Outcome::PASSED);
    expect_outcome(dial(vip(), PORT + 1), Outcome::PASSED);
}

INSTANTIATE_TEST_SUITE_P(, Refusal, testing::ValuesIn(test::all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::contract
