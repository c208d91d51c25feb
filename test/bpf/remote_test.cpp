// SPDX-License-Identifier: Apache-2.0
// Backends on other nodes: both addresses change, the TTL goes down, and the packet leaves towards the next hop.
#include <unistd.h>

#include "test/bpf/fixture.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

class Remote : public CaseTest {
protected:
    static constexpr Verdict PASSED = Verdict::PASSED;

    // The two entries of a flow of dialled() to a pod behind `hop`, sent out by `device`.
    std::vector<Flow> remote_flow(flow_state state, const Actor& pod, std::uint32_t service, std::uint16_t port,
                                  const Device& device, const Link& link) const {
        return {
            {.key = {of(client), of(vip), CLIENT_PORT, FRONTEND_PORT, protocol(), FLOW_INGRESS},
             .kind = RECIPE_REMOTE_REQUEST,
             .state = state,
             .saddr = of(device.owner),
             .daddr = of(pod),
             .sport = port,
             .dport = POD_PORT,
             .service = service,
             .backend = datapath().last_backend(),
             .ifindex = device.ifindex,
             .hop = NEXT_HOP_RESOLVED | NEXT_HOP_XDP_TX | NEXT_HOP_XDP_REDIRECT,
             .mtu = device.mtu,
             .dmac = link.to,
             .smac = link.from},
            {.key = {of(pod), of(device.owner), POD_PORT, port, protocol(), FLOW_INGRESS},
             .kind = RECIPE_REMOTE_REPLY,
             .state = state,
             .saddr = of(vip),
             .daddr = of(client),
             .sport = FRONTEND_PORT,
             .dport = CLIENT_PORT,
             .service = service,
             .backend = datapath().last_backend(),
             .ifindex = network().uplink.ifindex,
             .hop = NEXT_HOP_RESOLVED | NEXT_HOP_XDP_TX | NEXT_HOP_XDP_REDIRECT,
             .mtu = network().uplink.mtu,
             .dmac = router.mac,
             .smac = node_a.mac},
        };
    }

    Packet towards(const Actor& pod, const Device& device, const Link& link, std::uint8_t flags,
                   const Options& options) const {
        return packet(link, {of(device.owner), snat_port(), of(pod), POD_PORT}, flags, options);
    }
    Packet reply_of(const Actor& pod, const Device& device, const Link& link, std::uint8_t flags,
                    const Options& options) const {
        return packet(link, {of(pod), POD_PORT, of(device.owner), snat_port()}, flags, options);
    }
    Packet reply_of_vip(std::uint8_t flags, const Options& options) const {
        return packet(to_router(), {of(vip), FRONTEND_PORT, of(client), CLIENT_PORT}, flags, options);
    }
};

TEST_P(Remote, RequestLeavesByTheDeviceItCameInOn) {
    const std::uint32_t service = serve({remote(b1)});
    const Device& uplink = network().uplink;

    const Outcome outcome = come_in(request(SYN, {.ttl = 61}));
    expect(outcome, sent(uplink, uplink), towards(b1, uplink, to_node_b(), SYN, {.ttl = 60}),
           {FLOW_OPENED, FORWARDED_REMOTE_REQUEST});
    expect_flows(remote_flow(FLOW_HALF_OPEN, b1, service, snat_port(), uplink, to_node_b()));
    EXPECT_EQ(datapath().service_count(service), (ServiceCount{.flows_opened = 1}));
}

TEST_P(Remote, ReplyGoesBackToTheClient) {
    const std::uint32_t service = serve({remote(b1)});
    const Device& uplink = network().uplink;
    come_in(request());

    expect(come_in(reply_of(b1, uplink, from_node_b(), SYN | ACK, {.ttl = 64})), sent(uplink, uplink),
           reply_of_vip(SYN | ACK, {.ttl = 63}), {FORWARDED_REMOTE_REPLY});
    expect_flows(
        remote_flow(is_tcp() ? FLOW_REPLIED : FLOW_ESTABLISHED, b1, service, snat_port(), uplink, to_node_b()));
}

TEST_P(Remote, RequestLeavesByAnotherDevice) {
    const std::uint32_t service = serve({remote(c1)});
    const auto& [uplink, storage, uplink_peer, storage_peer] = network();

    const Outcome outcome = come_in(request(SYN, {.ttl = 61}));
    expect(outcome, Verdict::REDIRECTED, towards(c1, storage, to_node_c(), SYN, {.ttl = 60}),
           {FLOW_OPENED, FORWARDED_REMOTE_REQUEST});
    expect_flows(remote_flow(FLOW_HALF_OPEN, c1, service, snat_port(), storage, to_node_c()));
    expect(come_in(storage, reply_of(c1, storage, from_node_c(), SYN | ACK, {.ttl = 64})), Verdict::REDIRECTED,
           reply_of_vip(SYN | ACK, {.ttl = 63}), {FORWARDED_REMOTE_REPLY});
}

TEST_P(Remote, LaterPacketsOnlyForward) {
    const Device& uplink = network().uplink;
    serve({remote(b1)});
    come_in(request());
    come_in(reply_of(b1, uplink, from_node_b(), SYN | ACK, {}));

    for (int i = 0; i < 3; i++) {
        expect(come_in(request(PSH | ACK, {.ttl = 61})), sent(uplink, uplink),
               towards(b1, uplink, to_node_b(), PSH | ACK, {.ttl = 60}), {FORWARDED_REMOTE_REQUEST});
        expect(come_in(reply_of(b1, uplink, from_node_b(), PSH | ACK, {.ttl = 61})), sent(uplink, uplink),
               reply_of_vip(PSH | ACK, {.ttl = 60}), {FORWARDED_REMOTE_REPLY});
    }
}

TEST_P(Remote, ReplyAtEgressIsNotOurs) {
    serve({remote(b1)});
    come_in(request());
    const Packet reply = reply_of(b1, network().uplink, from_node_b(), ACK, {});

    expect(go_out(reply), PASSED, reply, {});
}

// tc beside XDP: what XDP did not mark was decided there.
TEST_P(Remote, AfterXdpOnlyMarkedPacketsAreLookedAt) {
    serve({remote(b1)});
    expect(datapath().run(Program::TC_INGRESS_AFTER_XDP, network().uplink, request()), PASSED, request(), {});
    come_in(request());
    expect(datapath().run(Program::TC_INGRESS_AFTER_XDP, network().uplink, request(ACK)), PASSED, request(ACK), {});
}

TEST_P(Remote, TwoFrontendsOfOneClientPortGetTwoSourcePorts) {
    datapath().serve({{of(vip), FRONTEND_PORT, protocol()}, {of(other_vip), FRONTEND_PORT, protocol()}}, {remote(b1)});
    come_in(request());
    const std::uint16_t first = snat_port();

    const Outcome second = come_in(packet(from_router(), {of(client), CLIENT_PORT, of(other_vip), FRONTEND_PORT}, SYN));
    EXPECT_EQ(second.events, (Events{FLOW_OPENED, FORWARDED_REMOTE_REQUEST}));
    EXPECT_EQ(datapath().flows().size(), 4u);
    EXPECT_NE(View(second.frame.bytes).sport, first);
}

TEST_P(Remote, LastHopIsDropped) {
    serve({remote(b1)});
    come_in(request());
    const Packet reply = reply_of(b1, network().uplink, from_node_b(), ACK, {.ttl = 1});

    for (const std::uint8_t ttl : {0, 1}) {
        expect(come_in(request(ACK, {.ttl = ttl})), Verdict::DROPPED, request(ACK, {.ttl = ttl}), {DROP_TTL_EXCEEDED});
    }
    expect(come_in(reply), Verdict::DROPPED, reply, {DROP_TTL_EXCEEDED});
    EXPECT_EQ(come_in(request(ACK, {.ttl = 2})).events, (Events{FORWARDED_REMOTE_REQUEST}));
}

TEST_P(Remote, LargerThanTheNextHopsMtuIsLeftToTheStack) {
    const Device& storage = network().storage;
    const std::size_t headers = (version() == 4 ? 20u : 40u) + (is_tcp() ? 20u : 8u);
    serve({remote(c1)});
    come_in(request());
    const Packet large = request(ACK, {.payload = std::string(storage.mtu - headers + 1, 'x')});
    const Options fitting{.payload = std::string(storage.mtu - headers, 'x')};
    const Options forwarded{.ttl = 60, .payload = fitting.payload};

    expect(come_in(large), PASSED, large, {PASSED_OVER_MTU});
    expect(come_in(request(ACK, fitting)), Verdict::REDIRECTED, towards(c1, storage, to_node_c(), ACK, forwarded),
           {FORWARDED_REMOTE_REQUEST});
}

// Neither on the wire nor in the MTU's count.
TEST_P(Remote, EthernetPaddingStays) {
    serve({remote(b1)});
    come_in(request());
    Bytes frame = request(ACK, {.ttl = 61, .payload = ""}).build();
    Bytes expected = towards(b1, network().uplink, to_node_b(), ACK, {.ttl = 60, .payload = ""}).build();
    frame.insert(frame.end(), 7, 0xaa);
    expected.insert(expected.end(), 7, 0xaa);

    expect(datapath().run(ingress(), network().uplink, frame, {.checksum_complete = false}),
           sent(network().uplink, network().uplink), expected, {FORWARDED_REMOTE_REQUEST});
}

TEST_P(Remote, OptionsStayInPlace) {
    if (version() != 4) {
        GTEST_SKIP() << "IPv4 has them";
    }
    const Bytes options = from_hex("94040000 0707 0400 0000 00");
    const Device& uplink = network().uplink;
    serve({remote(b1)});

    const Outcome outcome = come_in(request(SYN, {.ttl = 61, .ipv4_options = options}));
    expect(outcome, sent(uplink, uplink), towards(b1, uplink, to_node_b(), SYN, {.ttl = 60, .ipv4_options = options}),
           {FLOW_OPENED, FORWARDED_REMOTE_REQUEST});
    expect(come_in(reply_of(b1, uplink, from_node_b(), SYN | ACK, {.ttl = 61, .ipv4_options = options})),
           sent(uplink, uplink), reply_of_vip(SYN | ACK, {.ttl = 60, .ipv4_options = options}),
           {FORWARDED_REMOTE_REPLY});
}

TEST_P(Remote, LongestIpv4HeaderIsFollowed) {
    if (version() != 4) {
        GTEST_SKIP() << "IPv4 has options";
    }
    const Bytes options(40, 1);  // No Operation
    const Device& uplink = network().uplink;
    serve({remote(b1)});

    const Outcome outcome = come_in(request(SYN, {.ttl = 61, .ipv4_options = options}));
    expect(outcome, sent(uplink, uplink), towards(b1, uplink, to_node_b(), SYN, {.ttl = 60, .ipv4_options = options}),
           {FLOW_OPENED, FORWARDED_REMOTE_REQUEST});
}

INSTANTIATE_TEST_SUITE_P(, Remote, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
