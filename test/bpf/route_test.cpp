// SPDX-License-Identifier: Apache-2.0
// What the FIB says about the way to a backend, and when it is asked again.
#include <unistd.h>

#include <cstring>

#include "bpf/hook/mark.h"
#include "test/bpf/fixture.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

class Route : public CaseTest {
protected:
    // XDP leaves the packet to tc: unmodified, with the mark before it.
    static void expect_handed_over(const Outcome& outcome, const Packet& packet, const Events& events) {
        const std::uint32_t mark = XDP_TO_TC_MARK;
        Bytes expected(sizeof(mark));
        std::memcpy(expected.data(), &mark, sizeof(mark));
        EXPECT_EQ(outcome.verdict, Verdict::PASSED);
        EXPECT_EQ(outcome.frame, Frame(packet));
        EXPECT_EQ(outcome.metadata, expected);
        EXPECT_EQ(outcome.events, events);
    }

    Packet towards(const Link& link, const Actor& source, const Actor& pod, std::uint8_t flags = SYN) const {
        return packet(link, {of(source), snat_port(), of(pod), POD_PORT}, flags, {.ttl = 60});
    }
};

// On tc the kernel resolves the neighbour, so the MAC addresses are still the old ones.
TEST_P(Route, UnknownNeighbourIsTcsBusiness) {
    serve({remote(silent_pod)});
    const Outcome outcome = come_in(request());

    if (is_xdp()) {
        expect_handed_over(outcome, request(), {FLOW_OPENED, HANDED_TO_TC});
        return;
    }
    expect(outcome, Verdict::REDIRECTED, towards(from_router(), node_a, silent_pod),
           {FLOW_OPENED, FORWARDED_REMOTE_REQUEST});
}

TEST_P(Route, DeviceThatXdpCannotSendToIsTcsBusiness) {
    for (const device_transmit transmit : {TRANSMIT_BY_TC, TRANSMIT_BY_XDP_TX}) {  // back only: not from the uplink
        datapath().reset(network());
        datapath().put_device(network().storage, transmit);
        serve({remote(c1)});
        const Outcome outcome = come_in(request());

        if (is_xdp()) {
            expect_handed_over(outcome, request(), {FLOW_OPENED, HANDED_TO_TC});
            expect_handed_over(come_in(request(ACK)), request(ACK), {HANDED_TO_TC});
        } else {
            expect(outcome, Verdict::REDIRECTED, towards(to_node_c(), node_a_storage, c1),
                   {FLOW_OPENED, FORWARDED_REMOTE_REQUEST});
        }
    }
}

// By the device that it came in on, in the way that suits the device.
TEST_P(Route, WayBackFollowsTheDevice) {
    const std::pair<device_transmit, Verdict> ways[] = {{TRANSMIT_BY_XDP, Verdict::SENT_BACK},
                                                        {TRANSMIT_BY_XDP_TX, Verdict::SENT_BACK},
                                                        {TRANSMIT_BY_XDP_REDIRECT, Verdict::REDIRECTED},
                                                        {TRANSMIT_BY_TC, Verdict::PASSED}};
    for (const auto& [transmit, verdict] : ways) {
        datapath().reset(network());
        datapath().put_device(network().uplink, transmit);
        serve({remote(b1)});
        const Outcome outcome = come_in(request());

        if (is_xdp() && verdict == Verdict::PASSED) {
            expect_handed_over(outcome, request(), {FLOW_OPENED, HANDED_TO_TC});
        } else {
            expect(outcome, is_xdp() ? verdict : Verdict::REDIRECTED, towards(to_node_b(), node_a, b1),
                   {FLOW_OPENED, FORWARDED_REMOTE_REQUEST});
        }
    }
}

TEST_P(Route, AnswerWithoutAWayDropsByItsReason) {
    const std::pair<const Actor*, event> answers[] = {
        {&places::blackhole, DROP_ROUTE_BLACKHOLE},
        {&places::unreachable, DROP_ROUTE_UNREACHABLE},
        {&places::prohibited, DROP_ROUTE_PROHIBIT},
        {&places::encapsulated, DROP_ROUTE_UNSUPPORTED},
        {&node_a, DROP_ROUTE_NONE},  // an address of this node: nothing is sent there
    };
    for (const auto& [pod, reason] : answers) {
        datapath().reset(network());
        const std::uint32_t service = serve({remote(*pod)});
        expect(come_in(request()), Verdict::DROPPED, request(), {reason});
        expect_flows({});
        EXPECT_EQ(datapath().service_count(service), (ServiceCount{.drops = 1}));
    }
}

TEST_P(Route, ForwardingTurnedOffIsLeftToTheStack) {
    const std::uint32_t service = serve({remote(b1)});
    set_forwarding(false);
    const Outcome outcome = come_in(request());
    set_forwarding(true);

    expect(outcome, Verdict::PASSED, request(), {PASSED_ROUTE_FORWARDING_OFF});
    expect_flows({});
    EXPECT_EQ(datapath().service_count(service), ServiceCount{}) << "a packet that passes is no drop";
}

TEST_P(Route, PreferredSourceOfTheRouteIsUsed) {
    if (!kernel_tells_route_source()) {
        GTEST_SKIP() << "this kernel's FIB look-up does not tell it (Linux 6.7)";
    }
    serve({remote(places::with_source)});
    const Outcome outcome = come_in(request());
    expect(outcome, sent(network().uplink, network().uplink),
           towards(to_node_b(), places::preferred_source, places::with_source),
           {FLOW_OPENED, FORWARDED_REMOTE_REQUEST});
}

TEST_P(Route, OlderKernelsTakeTheDevicesAddress) {
    static Datapath older({.route_tells_source = false});
    older.reset(network());
    older.serve({{of(vip), FRONTEND_PORT, protocol()}}, {remote(places::with_source)});
    const Outcome outcome = older.run(ingress(), network().uplink, request());
    EXPECT_EQ(outcome.events, (Events{FLOW_OPENED, FORWARDED_REMOTE_REQUEST}));
    EXPECT_EQ(View(outcome.frame.bytes).saddr, of(node_a));

    older.reset(network());
    older.put_device(network().uplink, TRANSMIT_BY_XDP, false);
    older.serve({{of(vip), FRONTEND_PORT, protocol()}}, {remote(b1)});
    expect(older.run(ingress(), network().uplink, request()), Verdict::DROPPED, request(), {DROP_NO_SOURCE_ADDRESS});
    EXPECT_TRUE(older.flows().empty());
}

TEST_P(Route, RaisedEpochAsksOnceMore) {
    const Link moved{node_a.mac, "02:18:00:00:00:99"};
    const Verdict verdict = sent(network().uplink, network().uplink);
    serve({remote(b1)});
    come_in(request());
    set_node_b_mac(moved.to);
    const Outcome before = come_in(request(ACK));
    datapath().raise_route_epoch();
    const Outcome first = come_in(request(ACK));
    const Outcome second = come_in(request(ACK));
    set_node_b_mac(node_b.mac);

    expect(before, verdict, towards(to_node_b(), node_a, b1, ACK), {FORWARDED_REMOTE_REQUEST});
    expect(first, verdict, towards(moved, node_a, b1, ACK), {ROUTE_REFRESHED, FORWARDED_REMOTE_REQUEST});
    expect(second, verdict, towards(moved, node_a, b1, ACK), {FORWARDED_REMOTE_REQUEST});
}

// Both directions find out for themselves.
TEST_P(Route, RepliesAskOnceMoreToo) {
    serve({remote(b1)});
    come_in(request());
    datapath().raise_route_epoch();
    const Packet reply = packet(from_node_b(), {of(b1), POD_PORT, of(node_a), snat_port()}, SYN | ACK);

    EXPECT_EQ(come_in(reply).events, (Events{ROUTE_REFRESHED, FORWARDED_REMOTE_REPLY}));
    EXPECT_EQ(come_in(reply).events, Events{FORWARDED_REMOTE_REPLY});
}

// No route leads to the client by the storage link: back to whoever passed the request on.
TEST_P(Route, ReplyGoesBackToTheLastHopWhereNoRouteLeads) {
    serve({remote(b1)});
    EXPECT_EQ(come_in(network().storage, packet(from_node_c(), dialled(), SYN)).events,
              (Events{FLOW_OPENED, FORWARDED_REMOTE_REQUEST}));
    const Packet reply = packet(from_node_b(), {of(b1), POD_PORT, of(node_a), snat_port()}, SYN | ACK);

    expect(come_in(reply), Verdict::REDIRECTED,
           packet(to_node_c(), {of(vip), FRONTEND_PORT, of(client), CLIENT_PORT}, SYN | ACK, {.ttl = 60}),
           {FORWARDED_REMOTE_REPLY});
}

TEST_P(Route, ReplyGoesAsRoutedWhereTheRequestsDeviceHasNoHooks) {
    datapath().remove_device(network().storage.ifindex);
    serve({remote(b1)});
    come_in(network().storage, packet(from_node_c(), dialled(), SYN));
    const Packet reply = packet(from_node_b(), {of(b1), POD_PORT, of(node_a), snat_port()}, SYN | ACK);

    expect(come_in(reply), sent(network().uplink, network().uplink),
           packet(to_router(), {of(vip), FRONTEND_PORT, of(client), CLIENT_PORT}, SYN | ACK, {.ttl = 60}),
           {FORWARDED_REMOTE_REPLY});
}

INSTANTIATE_TEST_SUITE_P(, Route, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

// These wait for ticks to pass.
class Heartbeat : public Route {
protected:
    // Forwards one packet every 20 ms for that long; how often the FIB was asked.
    std::uint64_t refreshes_during(int milliseconds) {
        const std::uint64_t before = datapath().events().counts[ROUTE_REFRESHED];
        for (int i = 0; i < milliseconds / 20; i++) {
            EXPECT_EQ(come_in(request(ACK)).events.counts[FORWARDED_REMOTE_REQUEST], 1u);
            usleep(20000);
        }
        return datapath().events().counts[ROUTE_REFRESHED] - before;
    }
};

TEST_P(Heartbeat, SilentAgentMeansOneQuestionATick) {
    serve({remote(b1)});
    come_in(request());
    datapath().set_heartbeat_age(6);
    const std::uint32_t start = tick_now();
    const std::uint64_t refreshes = refreshes_during(3000);
    const std::uint32_t ticks = tick_now() - start;
    EXPECT_GE(ticks, 2u);
    EXPECT_GE(refreshes + 1, ticks);
    EXPECT_LE(refreshes, ticks + 1);
}

TEST_P(Heartbeat, LivingAgentMeansNone) {
    serve({remote(b1)});
    come_in(request());
    datapath().set_heartbeat_age(2);
    EXPECT_EQ(refreshes_during(1200), 0u);
}

// The agent's clock is finer than the programs': its tick may be one ahead of theirs.
TEST_P(Heartbeat, AgentAheadOfTheProgramsIsNotSilent) {
    serve({remote(b1)});
    come_in(request());
    for (const std::uint32_t first = tick_now(); tick_now() == first;) {
        usleep(10000);
    }
    datapath().set_heartbeat_age(static_cast<std::uint32_t>(-1));
    EXPECT_EQ(come_in(request()).events, Events{FORWARDED_REMOTE_REQUEST});
}

INSTANTIATE_TEST_SUITE_P(, Heartbeat, testing::Values(Case{4, ::UDP, Program::XDP_INGRESS}),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
