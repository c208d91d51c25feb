// SPDX-License-Identifier: Apache-2.0
// What takes a real device: frames shorter than the kernel's test run accepts, tags that the kernel takes off before
// tc sees the packet, and the handover from XDP to tc.
#include "test/bpf/wire.h"

#include <gtest/gtest.h>
#include <linux/if_ether.h>

#include <algorithm>

#include "test/bpf/fixture.h"
#include "test/packet/checksum.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

class WireTest : public CaseTest {
protected:
    void attach(Wire& wire) const {
        if (is_xdp()) {
            wire.attach_xdp(network().uplink, datapath().program_fd(Program::XDP_INGRESS));
            wire.attach_tc(network().uplink, Wire::Direction::INGRESS,
                           datapath().program_fd(Program::TC_INGRESS_AFTER_XDP));
        } else {
            wire.attach_tc(network().uplink, Wire::Direction::INGRESS, datapath().program_fd(Program::TC_INGRESS));
        }
    }
};

// Down to the shortest frame that the kernel lets anybody send.
TEST_P(WireTest, ShortFramesPass) {
    Wire wire(network());
    attach(wire);
    wire.record_behind_ingress();
    serve({local(a1)});
    const Bytes whole = request();
    const std::size_t headers = 14 + (version() == 4 ? 20u : 40u) + (is_tcp() ? 20u : 8u);
    std::size_t shortest = headers;

    for (std::size_t size = headers - 1; size > 0; size--) {
        SCOPED_TRACE(size);
        const Bytes frame(whole.begin(), whole.begin() + static_cast<long>(size));
        if (wire.send(frame)) {
            continue;  // refused by the kernel
        }
        shortest = size;
        const auto record = wire.recorded();
        ASSERT_TRUE(record);
        EXPECT_EQ(record->frame, Frame(frame));
    }
    EXPECT_LE(shortest, 14u);
    RecordProperty("shortest_frame", static_cast<int>(shortest));
    expect_flows({});
}

TEST_P(WireTest, TagThatTheKernelTookOffStillPasses) {
    Wire wire(network());
    attach(wire);
    wire.record_behind_ingress();
    serve({local(a1)});
    const Ip ip{of(client), of(vip)};
    const Layer l4 = is_tcp() ? Layer(packet::TCP{.sport = CLIENT_PORT, .dport = FRONTEND_PORT, .flags = SYN})
                              : Layer(packet::UDP{.sport = CLIENT_PORT, .dport = FRONTEND_PORT});
    const Ethernet ethernet{.daddr = node_a.mac, .saddr = router.mac};
    const std::uint64_t before = datapath().events().counts[PASSED_VLAN];

    ASSERT_EQ(wire.send((ethernet / Vlan{.id = 7} / ip / l4).build()), 0);
    const auto record = wire.recorded();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->frame, Frame(ethernet / ip / l4));
    EXPECT_EQ(wire.raw().tagged, 1u);
    EXPECT_EQ(datapath().events().counts[PASSED_VLAN], before + 1);
    expect_flows({});
}

TEST_P(WireTest, UntranslatedPacketsReachTheStackOnce) {
    Wire wire(network());
    attach(wire);
    wire.record_behind_ingress();
    const Packet foreign = packet(from_router(), {of(client), CLIENT_PORT, of(stranger), FRONTEND_PORT}, SYN);

    ASSERT_EQ(wire.send(foreign.build()), 0);
    const auto record = wire.recorded();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->frame, Frame(foreign));
    EXPECT_EQ(wire.raw().recorded, 1u);
}

// On XDP the packet is handed over; either way it comes out of the other device, translated once.
TEST_P(WireTest, DeviceThatOnlyTcCanSendTo) {
    Wire wire(network());
    attach(wire);
    wire.record_egress(network().storage);
    datapath().put_device(network().storage, TRANSMIT_BY_TC);
    serve({remote(c1)});

    for (const std::uint8_t flags : {SYN, ACK}) {
        ASSERT_EQ(wire.send(request(flags).build()), 0);
        const auto record = wire.recorded();
        ASSERT_TRUE(record);
        EXPECT_EQ(record->ifindex, network().storage.ifindex);
        EXPECT_EQ(record->frame,
                  Frame(packet(to_node_c(), {of(node_a_storage), snat_port(), of(c1), POD_PORT}, flags, {.ttl = 60})));
    }
}

TEST_P(WireTest, HeadersBehindTheFirstPartOfTheBuffer) {
    Wire wire(network());
    attach(wire);
    wire.record_egress(network().storage);
    datapath().put_device(network().storage, TRANSMIT_BY_TC);
    serve({remote(c1)});
    for (const std::string& payload : {std::string(), std::string("GET /v1/order"), std::string(1000, 'x')}) {
        ASSERT_EQ(wire.send_in_fragments(request(SYN, {.payload = payload}).build()), 0);
        const auto record = wire.recorded();
        ASSERT_TRUE(record);
        EXPECT_EQ(record->frame, Frame(packet(to_node_c(), {of(node_a_storage), snat_port(), of(c1), POD_PORT}, SYN,
                                              {.ttl = 60, .payload = payload})));
    }
}

// Checksums and segments that the sender left to the device: tc sees packets so, from a virtual NIC or after GRO.
class Offloads : public WireTest {
protected:
    // With the L4 checksum field as CHECKSUM_PARTIAL has it: the sum of the pseudo-header.
    Bytes partial(const Link& link, const Tuple& tuple, std::uint8_t ttl, const std::string& payload) const {
        Bytes frame = packet(link, tuple, ACK, {.ttl = ttl, .payload = payload});
        const auto length = static_cast<std::uint32_t>(frame.size()) - l4_offset();
        const std::uint16_t sum =
            checksum_fold(pseudo_header_sum(tuple.saddr, tuple.daddr, static_cast<std::uint8_t>(protocol()), length));
        frame[l4_offset() + checksum_offset()] = static_cast<std::uint8_t>(sum >> 8);
        frame[l4_offset() + checksum_offset() + 1] = static_cast<std::uint8_t>(sum);
        return frame;
    }
    std::uint16_t l4_offset() const { return version() == 4 ? 34 : 54; }
    std::uint16_t checksum_offset() const { return is_tcp() ? 16 : 6; }

    // Sends `payload` through an open flow to c1; what comes out of the storage link, or nothing.
    std::optional<Frame> through(const std::string& payload, std::uint16_t segment_size, Events& events) const {
        Wire wire(network());
        wire.attach_tc(network().uplink, Wire::Direction::INGRESS, datapath().program_fd(Program::TC_INGRESS));
        wire.record_behind_ingress();
        wire.record_egress(network().storage);
        serve({remote(c1)});
        come_in(request());
        const Events before = datapath().events();
        EXPECT_EQ(
            wire.send(partial(from_router(), dialled(), 61, payload),
                      {.l4_offset = l4_offset(), .checksum_offset = checksum_offset(), .segment_size = segment_size}),
            0);
        events = datapath().events() - before;
        const auto record = wire.recorded();
        return record && record->ifindex == network().storage.ifindex ? std::optional(record->frame) : std::nullopt;
    }

    // The same as it must come out.
    Bytes translated(const std::string& payload) const {
        return partial(to_node_c(), {of(node_a_storage), snat_port(), of(c1), POD_PORT}, 60, payload);
    }
};

TEST_P(Offloads, ChecksumThatIsStillToBeMade) {
    Events events;
    const auto frame = through("GET /v1/order", 0, events);
    EXPECT_EQ(events, Events{FORWARDED_REMOTE_REQUEST});
    ASSERT_TRUE(frame);
    EXPECT_EQ(*frame, Frame(translated("GET /v1/order")));
}

TEST_P(Offloads, SegmentsThatFitAreForwarded) {
    if (!is_tcp()) {
        GTEST_SKIP() << "TCP segmentation";
    }
    Events events;
    const std::string payload(6000, 'x');
    const auto frame = through(payload, static_cast<std::uint16_t>(1400 - (l4_offset() - 14) - 20), events);
    EXPECT_EQ(events, Events{FORWARDED_REMOTE_REQUEST});
    ASSERT_TRUE(frame);
    Bytes expected = translated(payload);
    expected.resize(RECORDING_SIZE);
    EXPECT_EQ(*frame, Frame(expected));
}

TEST_P(Offloads, SegmentsThatDoNotFitAreLeftToTheStack) {
    if (!is_tcp()) {
        GTEST_SKIP() << "TCP segmentation";
    }
    Events events;
    EXPECT_FALSE(through(std::string(6000, 'x'), static_cast<std::uint16_t>(1400 - (l4_offset() - 14) - 19), events));
    EXPECT_EQ(events, Events{PASSED_OVER_MTU});
}

// The kernel asks for the neighbour's MAC address, gets it, and sends what it kept.
class Neighbour : public WireTest {
protected:
    const Mac silent_mac_ = "02:18:00:00:00:29";

    // silent_node's answer to the question in `frame`; empty if that is none.
    Bytes answer_to(const Bytes& frame) const {
        const View view(frame);
        if (version() == 4 && view.ether_type == 0x0806) {
            Bytes arp = from_hex("0001 0800 06 04 0002");
            arp.insert(arp.end(), silent_mac_.octets.begin(), silent_mac_.octets.end());
            arp.insert(arp.end(), silent_node.ipv4.octets.begin(), silent_node.ipv4.octets.begin() + 4);
            arp.insert(arp.end(), node_a.mac.octets.begin(), node_a.mac.octets.end());
            arp.insert(arp.end(), node_a.ipv4.octets.begin(), node_a.ipv4.octets.begin() + 4);
            return Ethernet{.daddr = node_a.mac, .saddr = silent_mac_, .type = 0x0806} / Payload{arp};
        }
        if (version() == 6 && view.protocol == 58 && frame.size() > view.l4_offset && frame[view.l4_offset] == 135) {
            Bytes target{silent_node.ipv6.octets.begin(), silent_node.ipv6.octets.end()};
            target.insert(target.end(), {2, 1});  // target link-layer address option (RFC 4861)
            target.insert(target.end(), silent_mac_.octets.begin(), silent_mac_.octets.end());
            return Ethernet{.daddr = node_a.mac, .saddr = silent_mac_} /
                   IPv6{.saddr = silent_node.ipv6, .daddr = node_a.ipv6, .hop_limit = 255} /
                   ICMPv6{.type = 136, .rest = 0x60000000} / Payload{target};
        }
        return {};
    }
};

TEST_P(Neighbour, IsAskedForItsMacAndThenServed) {
    Wire wire(network());
    attach(wire);
    const PacketSocket far_end(network().uplink_peer, ETH_P_ALL);
    serve({remote(silent_pod)});
    ASSERT_EQ(wire.send(request().build()), 0);

    bool was_asked = false, was_served = false;
    const Frame expected =
        packet({node_a.mac, silent_mac_}, {of(node_a), snat_port(), of(silent_pod), POD_PORT}, SYN, {.ttl = 60});
    for (int i = 0; i < 20 && !was_served; i++) {
        const Bytes frame = far_end.receive(2000);
        if (frame.empty()) {
            break;
        }
        const Bytes answer = answer_to(frame);
        if (!answer.empty()) {
            was_asked = true;
            EXPECT_EQ(far_end.send(answer), 0);
        }
        was_served = View(frame).daddr == of(silent_pod);
        if (was_served) {
            EXPECT_EQ(Frame(frame), expected);
        }
    }
    forget_silent_node();
    EXPECT_TRUE(was_asked);
    EXPECT_TRUE(was_served);
}

INSTANTIATE_TEST_SUITE_P(, WireTest, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });
std::vector<Case> tc_hook_cases() {
    std::vector<Case> cases = all_cases();
    std::erase_if(cases, [](const Case& c) { return c.ingress != Program::TC_INGRESS; });
    return cases;
}

INSTANTIATE_TEST_SUITE_P(, Offloads, testing::ValuesIn(tc_hook_cases()),
                         [](const auto& info) { return to_string(info.param); });
INSTANTIATE_TEST_SUITE_P(, Neighbour, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
