// SPDX-License-Identifier: Apache-2.0
// Backends on this node: the destination changes and nothing else; the reply gets the frontend's address back.
#include "test/bpf/fixture.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

class Local : public CaseTest {
protected:
    Tuple at_pod() const { return {of(client), CLIENT_PORT, of(a1), POD_PORT}; }
    Tuple reply_of_pod() const { return {of(a1), POD_PORT, of(client), CLIENT_PORT}; }
    Tuple reply_of_vip() const { return {of(vip), FRONTEND_PORT, of(client), CLIENT_PORT}; }
};

TEST_P(Local, RequestGoesUpTheStackWithTheClientsAddressAndTtl) {
    const std::uint32_t service = serve({local(a1)});

    expect(come_in(request()), Verdict::PASSED, packet(from_router(), at_pod(), SYN),
           {FLOW_OPENED, FORWARDED_LOCAL_REQUEST});
    expect_flows(local_flow(FLOW_HALF_OPEN, a1, service, datapath().last_backend()));
    EXPECT_EQ(datapath().service_count(service), (ServiceCount{.flows_opened = 1}));
}

TEST_P(Local, LaterRequestsOnlyForward) {
    serve({local(a1)});
    come_in(request());

    expect(come_in(request(ACK)), Verdict::PASSED, packet(from_router(), at_pod(), ACK), {FORWARDED_LOCAL_REQUEST});
}

TEST_P(Local, ReplyLeavesAsTheFrontends) {
    const std::uint32_t service = serve({local(a1)});
    come_in(request());

    expect(go_out(packet(to_router(), reply_of_pod(), SYN | ACK)), Verdict::PASSED,
           packet(to_router(), reply_of_vip(), SYN | ACK), {FORWARDED_LOCAL_REPLY});
    expect_flows(local_flow(is_tcp() ? FLOW_REPLIED : FLOW_ESTABLISHED, a1, service, datapath().last_backend()));
}

// The routing table sends the reply elsewhere: it still leaves by the device that the request came in on.
TEST_P(Local, ReplyOnAnotherDeviceIsRedirected) {
    serve({local(a1)});
    come_in(request());
    const Packet reply = packet(to_node_c(), reply_of_pod(), SYN | ACK);
    const Packet expected = packet(to_router(), reply_of_vip(), SYN | ACK);

    expect(datapath().run(Program::TC_EGRESS, network().storage, reply), Verdict::REDIRECTED, expected,
           {ROUTE_REFRESHED, FORWARDED_LOCAL_REPLY});
    expect(datapath().run(Program::TC_EGRESS, network().storage, reply), Verdict::REDIRECTED, expected,
           {FORWARDED_LOCAL_REPLY});
}

// No route leads to the client by the storage link: back to whoever passed the request on.
TEST_P(Local, ReplyGoesBackToTheLastHopWhereNoRouteLeads) {
    serve({local(a1)});
    come_in(network().storage, packet(from_node_c(), dialled(), SYN));
    const Packet reply = packet(to_router(), reply_of_pod(), SYN | ACK);
    const Packet expected = packet(to_node_c(), reply_of_vip(), SYN | ACK);

    expect(go_out(reply), Verdict::REDIRECTED, expected, {ROUTE_REFRESHED, FORWARDED_LOCAL_REPLY});
    expect(go_out(reply), Verdict::REDIRECTED, expected, {FORWARDED_LOCAL_REPLY});
}

TEST_P(Local, ReplyGoesAsRoutedWhereTheRequestsDeviceHasNoHooks) {
    datapath().remove_device(network().storage.ifindex);
    serve({local(a1)});
    come_in(network().storage, packet(from_node_c(), dialled(), SYN));

    expect(go_out(packet(to_router(), reply_of_pod(), SYN | ACK)), Verdict::PASSED,
           packet(to_router(), reply_of_vip(), SYN | ACK), {ROUTE_REFRESHED, FORWARDED_LOCAL_REPLY});
    expect(go_out(packet(to_router(), reply_of_pod(), ACK)), Verdict::PASSED, packet(to_router(), reply_of_vip(), ACK),
           {FORWARDED_LOCAL_REPLY});
}

TEST_P(Local, ReplyStaysOnItsWayWhenTheRequestsDeviceIsGone) {
    serve({local(a1)});
    {
        const PassingDevice passing;
        come_in(passing.device, request());
    }

    expect(go_out(packet(to_router(), reply_of_pod(), SYN | ACK)), Verdict::PASSED,
           packet(to_router(), reply_of_vip(), SYN | ACK), {ROUTE_REFRESHED, FORWARDED_LOCAL_REPLY});
}

TEST_P(Local, LastHopIsTheStacksBusiness) {
    serve({local(a1)});

    expect(come_in(request(SYN, {.ttl = 1})), Verdict::PASSED, packet(from_router(), at_pod(), SYN, {.ttl = 1}),
           {FLOW_OPENED, FORWARDED_LOCAL_REQUEST});
}

TEST_P(Local, RequestAtEgressIsNotOurs) {
    serve({local(a1)});
    come_in(request());

    expect(go_out(request(ACK)), Verdict::PASSED, request(ACK), {});
}

TEST_P(Local, ReplyAtIngressIsNotOurs) {
    serve({local(a1)});
    come_in(request());
    const Packet reply = packet(from_router(), reply_of_pod(), SYN | ACK);

    expect(come_in(reply), Verdict::PASSED, reply, {});
}

TEST_P(Local, PodsOwnConnectionIsNotOurs) {
    serve({local(a1)});
    const Packet own = packet(to_router(), {of(a1), POD_PORT, of(other_client), 443}, SYN);

    expect(go_out(own), Verdict::PASSED, own, {});
    expect_flows({});
}

TEST_P(Local, OptionsStayInPlace) {
    if (version() != 4) {
        GTEST_SKIP() << "IPv4 has them";
    }
    const Options with{.ipv4_options = from_hex("94040000 0707 0400 0000 00")};
    serve({local(a1)});

    expect(come_in(request(SYN, with)), Verdict::PASSED, packet(from_router(), at_pod(), SYN, with),
           {FLOW_OPENED, FORWARDED_LOCAL_REQUEST});
    expect(go_out(packet(to_router(), reply_of_pod(), SYN | ACK, with)), Verdict::PASSED,
           packet(to_router(), reply_of_vip(), SYN | ACK, with), {FORWARDED_LOCAL_REPLY});
}

// One client port, one backend, two frontends: the second flow's reply could not be told from the first one's.
TEST_P(Local, SecondFlowWithTheSameReplyIsRefused) {
    const std::uint32_t service = datapath().serve(
        {{of(vip), FRONTEND_PORT, protocol()}, {of(other_vip), FRONTEND_PORT, protocol()}}, {local(a1)});
    const Packet second = packet(from_router(), {of(client), CLIENT_PORT, of(other_vip), FRONTEND_PORT}, SYN);
    come_in(request());

    expect(come_in(second), Verdict::DROPPED, second, {DROP_REPLY_KEY_TAKEN});
    expect_flows(local_flow(FLOW_HALF_OPEN, a1, service, datapath().last_backend()));
    EXPECT_EQ(datapath().service_count(service), (ServiceCount{.flows_opened = 1, .drops = 1}));
    expect(go_out(packet(to_router(), reply_of_pod(), ACK)), Verdict::PASSED, packet(to_router(), reply_of_vip(), ACK),
           {FORWARDED_LOCAL_REPLY});
}

INSTANTIATE_TEST_SUITE_P(, Local, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
