// SPDX-License-Identifier: Apache-2.0
// Which packets are ours, who gets them, and what happens where there is nobody or no room.
#include "test/bpf/fixture.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

class FrontendTest : public CaseTest {
protected:
    Packet from_client_port(std::uint16_t port) const { return packet(from_router(), dialled(port), SYN); }
};

TEST_P(FrontendTest, OtherDestinationsAreNotOurs) {
    serve({local(a1)});
    for (const Tuple& tuple :
         {Tuple{of(client), CLIENT_PORT, of(stranger), FRONTEND_PORT},
          Tuple{of(client), CLIENT_PORT, of(vip), FRONTEND_PORT + 1}, Tuple{of(client), CLIENT_PORT, of(a1), POD_PORT},
          Tuple{of(vip), FRONTEND_PORT, of(client), CLIENT_PORT}}) {
        expect(come_in(packet(from_router(), tuple, SYN)), Verdict::PASSED, packet(from_router(), tuple, SYN), {});
    }
    expect_flows({});
}

TEST_P(FrontendTest, OtherProtocolIsNotOurs) {
    datapath().serve({{of(vip), FRONTEND_PORT, is_tcp() ? ::UDP : ::TCP}}, {local(a1)});
    expect(come_in(request()), Verdict::PASSED, request(), {});
}

TEST_P(FrontendTest, WithoutEndpointsIsLeftToTheStack) {
    const std::uint32_t service = serve({});
    expect(come_in(request()), Verdict::PASSED, request(), {PASSED_NO_ENDPOINTS});
    expect_flows({});
    EXPECT_EQ(datapath().service_count(service), ServiceCount{});
}

TEST_P(FrontendTest, SlotWithoutBackendDrops) {
    const std::uint32_t service = serve({local(a1)});
    datapath().point_slots_at(service, 77);
    expect(come_in(request()), Verdict::DROPPED, request(), {DROP_STALE_SLOT});
    expect_flows({});
    EXPECT_EQ(datapath().service_count(service), (ServiceCount{.drops = 1}));
}

TEST_P(FrontendTest, FlowsOutliveTheirSlotsAndFrontends) {
    const std::uint32_t service = serve({local(a1)});
    come_in(request());
    datapath().point_slots_at(service, 77);
    EXPECT_EQ(come_in(request(ACK)).events, Events{FORWARDED_LOCAL_REQUEST});
}

TEST_P(FrontendTest, ClientsSpreadOverAllBackends) {
    serve({local(a1), local(a2), remote(b1), remote(b2)});
    std::map<std::string, int> share;
    for (std::uint16_t i = 0; i < 400; i++) {
        const Outcome outcome = come_in(from_client_port(static_cast<std::uint16_t>(20000 + i)));
        share[View(outcome.frame.bytes).daddr.to_string()]++;
    }
    EXPECT_EQ(share.size(), 4u);
    for (const auto& [pod, clients] : share) {
        EXPECT_GT(clients, 60) << pod;  // 100 on average, standard deviation 8.7
    }
}

// Every node picks alike: the choice may not depend on anything but client, port and slots.
TEST_P(FrontendTest, ChoiceIsAFunctionOfTheClient) {
    serve({local(a1), local(a2), local(b1), local(b2)});
    std::vector<Frame> before;
    for (std::uint16_t port = 30000; port < 30050; port++) {
        before.push_back(come_in(from_client_port(port)).frame);
    }
    datapath().remove_flows();
    for (std::uint16_t port = 30050; port-- > 30000;) {
        EXPECT_EQ(come_in(from_client_port(port)).frame, before[port - 30000u]);
    }
}

TEST_P(FrontendTest, FullTableRefusesNewFlowsAndKeepsOldOnes) {
    static Datapath two({.flow_entries = 2}), three({.flow_entries = 3});  // a flow, and a flow and a half
    for (Datapath* datapath : {&two, &three}) {
        Datapath& small = *datapath;
        small.reset(network());
        const std::uint32_t service = small.serve({{of(vip), FRONTEND_PORT, protocol()}}, {local(a1)});
        small.run(ingress(), network().uplink, request());

        const Packet second = from_client_port(CLIENT_PORT + 1);
        expect(small.run(ingress(), network().uplink, second), Verdict::DROPPED, second, {DROP_FLOW_TABLE_FULL});
        expect_flows(local_flow(FLOW_HALF_OPEN, a1, service, small.last_backend()), small);
        EXPECT_EQ(small.service_count(service), (ServiceCount{.flows_opened = 1, .drops = 1}));
        EXPECT_EQ(small.run(ingress(), network().uplink, request(ACK)).events, Events{FORWARDED_LOCAL_REQUEST});
    }
}

TEST_P(FrontendTest, ExhaustedSourcePortsConcernOneBackendOnly) {
    static Datapath narrow({.snat_port_min = 50000, .snat_port_count = 2});
    narrow.reset(network());
    const std::uint32_t service = narrow.serve({{of(vip), FRONTEND_PORT, protocol()}}, {remote(b1)});
    narrow.serve({{of(other_vip), FRONTEND_PORT, protocol()}}, {remote(b2)});
    for (const std::uint16_t port : {1, 2}) {
        const Outcome outcome = narrow.run(ingress(), network().uplink, from_client_port(port));
        EXPECT_EQ(outcome.events, (Events{FLOW_OPENED, FORWARDED_REMOTE_REQUEST}));
        EXPECT_EQ(View(outcome.frame.bytes).sport / 2, 50000 / 2);
    }

    expect(narrow.run(ingress(), network().uplink, from_client_port(3)), Verdict::DROPPED, from_client_port(3),
           {DROP_SNAT_PORTS_EXHAUSTED});
    EXPECT_EQ(narrow.service_count(service), (ServiceCount{.flows_opened = 2, .drops = 1}));
    EXPECT_EQ(narrow.flows().size(), 4u);
    EXPECT_EQ(
        narrow
            .run(ingress(), network().uplink, packet(from_router(), {of(client), 3, of(other_vip), FRONTEND_PORT}, SYN))
            .events,
        (Events{FLOW_OPENED, FORWARDED_REMOTE_REQUEST}));
}

INSTANTIATE_TEST_SUITE_P(, FrontendTest, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
