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

TEST_P(FrontendTest, WithoutEndpointsIsRefused) {
    const std::uint32_t service = serve({});
    const Outcome outcome = come_in(request(), {.checksum_complete = false});  // shortened: the kernel keeps no sum then
    EXPECT_EQ(outcome.verdict, sent(network().uplink, network().uplink));
    EXPECT_EQ(outcome.events, Events{is_tcp() ? ANSWERED_RESET : ANSWERED_UNREACHABLE});
    expect_flows({});
    EXPECT_EQ(datapath().service_count(service), ServiceCount{.drops = 1});
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

// A table of the smallest size, filled by flows of many clients, all of them established.
TEST_P(FrontendTest, FullTableRefusesNewFlowsAndKeepsOldOnes) {
    static Datapath small({.flow_blocks = FLOW_STRIPES});
    small.reset(network());
    const std::uint32_t service = small.serve({{of(vip), FRONTEND_PORT, protocol()}}, {local(a1)});
    std::uint64_t opened = 0, evicted = 0;
    Outcome last;
    Packet refused = request();
    for (std::uint16_t port = 1; port < 20000 && last.events.counts.count(DROP_FLOW_TABLE_FULL) == 0; port++) {
        refused = from_client_port(port);
        last = small.run(ingress(), network().uplink, refused);
        opened += last.events.counts.count(FLOW_OPENED);
        evicted += last.events.counts.contains(FLOW_EVICTED) ? last.events.counts.at(FLOW_EVICTED) : 0;
        if (port % 64 == 0) {
            small.put_flows_in_state(FLOW_ESTABLISHED);
        }
    }
    expect(last, Verdict::DROPPED, refused, {DROP_FLOW_TABLE_FULL});
    // There is room for flows of a quarter of the slots; with some seeds of the hash the first is refused a little earlier.
    EXPECT_GT(opened, FLOW_STRIPES * FLOW_BLOCK_SLOTS / 8);
    EXPECT_EQ(small.flows().size(), 2 * (opened - evicted));
    EXPECT_EQ(small.service_count(service), (ServiceCount{.flows_opened = opened, .drops = 1}));
    EXPECT_EQ(small.run(ingress(), network().uplink, from_client_port(1)).events.counts.count(FORWARDED_LOCAL_REQUEST), 1u);
}

TEST_P(FrontendTest, FullTableGivesUpFlowsThatAreNotEstablished) {
    static Datapath small({.flow_blocks = FLOW_STRIPES});
    small.reset(network());
    small.serve({{of(vip), FRONTEND_PORT, protocol()}}, {local(a1)});
    small.run(ingress(), network().uplink, from_client_port(1));
    small.put_flows_in_state(FLOW_ESTABLISHED);
    std::uint64_t opened = 1, evicted = 0;
    for (std::uint16_t port = 2; port < 20000; port++) {
        const Events events = small.run(ingress(), network().uplink, from_client_port(port)).events;
        ASSERT_EQ(events.counts.count(FLOW_OPENED), 1u) << port << events;
        opened++;
        evicted += events.counts.contains(FLOW_EVICTED) ? events.counts.at(FLOW_EVICTED) : 0;
    }
    EXPECT_GT(evicted, 0u);
    EXPECT_EQ(small.flows().size(), 2 * (opened - evicted));
    EXPECT_EQ(small.run(ingress(), network().uplink, from_client_port(1)).events.counts.count(FORWARDED_LOCAL_REQUEST), 1u);
}

// One port for each stripe of the flow table, 128 altogether: two clients of one stripe want the same.
TEST_P(FrontendTest, ExhaustedSourcePortsConcernOneBackendOnly) {
    static Datapath narrow({.snat_port_min = 50048, .snat_port_count = FLOW_STRIPES});
    narrow.reset(network());
    const std::uint32_t service = narrow.serve({{of(vip), FRONTEND_PORT, protocol()}}, {remote(b1)});
    narrow.serve({{of(other_vip), FRONTEND_PORT, protocol()}}, {remote(b2)});
    std::uint64_t opened = 0;
    std::set<std::uint16_t> ports;
    std::uint16_t port = 0;
    for (Events events; events.counts.count(DROP_SNAT_PORTS_EXHAUSTED) == 0;) {
        ASSERT_LT(port, FLOW_STRIPES + 1);
        const Outcome outcome = narrow.run(ingress(), network().uplink, from_client_port(++port));
        events = outcome.events;
        if (events == Events{FLOW_OPENED, FORWARDED_REMOTE_REQUEST}) {
            EXPECT_TRUE(ports.insert(View(outcome.frame.bytes).sport).second);
            opened++;
        } else {
            expect(outcome, Verdict::DROPPED, from_client_port(port), {DROP_SNAT_PORTS_EXHAUSTED});
        }
        narrow.put_flows_in_state(FLOW_ESTABLISHED);
    }
    EXPECT_GE(*ports.begin(), 50048);
    EXPECT_LT(*ports.rbegin(), 50048 + FLOW_STRIPES);
    EXPECT_EQ(narrow.service_count(service), (ServiceCount{.flows_opened = opened, .drops = 1}));
    EXPECT_EQ(narrow.flows().size(), 2 * opened);
    EXPECT_EQ(narrow.run(ingress(), network().uplink,
                         packet(from_router(), {of(client), port, of(other_vip), FRONTEND_PORT}, SYN)).events,
              (Events{FLOW_OPENED, FORWARDED_REMOTE_REQUEST}));
    // A flow that is not established gives its port to the next.
    narrow.put_flows_in_state(FLOW_HALF_OPEN);
    EXPECT_EQ(narrow.run(ingress(), network().uplink, from_client_port(port)).events,
              (Events{FLOW_EVICTED, FLOW_OPENED, FORWARDED_REMOTE_REQUEST}));
    EXPECT_EQ(narrow.service_count(service), (ServiceCount{.flows_opened = opened + 1, .drops = 1}));
}

INSTANTIATE_TEST_SUITE_P(, FrontendTest, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
