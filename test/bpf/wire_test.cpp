// SPDX-License-Identifier: Apache-2.0
// What takes a real device: frames shorter than the kernel's test run accepts, tags that the kernel takes off before
// tc sees the packet, and the handover from XDP to tc.
#include "test/bpf/wire.h"

#include <gtest/gtest.h>
#include <linux/if_ether.h>

#include <algorithm>

#include "test/bpf/fixture.h"

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
INSTANTIATE_TEST_SUITE_P(, Neighbour, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
