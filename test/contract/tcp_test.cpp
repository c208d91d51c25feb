// SPDX-License-Identifier: Apache-2.0
// TCP connections: when they count as established, what ends them, what they outlive, and ports that come again.
#include "test/contract/fixture.h"

namespace shunt::contract {
namespace {

using namespace packet::actors;
using test::Verdict;

class TcpConnection : public ContractTest {
protected:
    void serve(std::vector<Endpoint> endpoints) {
        orders() = orders_with(std::move(endpoints));
        in_force();
    }
    flow_state state() const {
        const std::vector<test::Flow> flows = datapath().flows();
        EXPECT_EQ(flows.size(), 2u);
        EXPECT_EQ(flows.empty() ? 0 : flows.front().state, flows.empty() ? 0 : flows.back().state);
        return flows.empty() ? flow_state{} : flows.front().state;
    }
    // What a pod here sends to the client by itself.
    test::Outcome pod_sends(const Talk& talk, std::uint8_t flags, std::uint32_t acknowledged) {
        const Packet packet{.source = talk.seen.to->address,
                            .destination = client(),
                            .source_port = TARGET_PORT,
                            .destination_port = talk.first.source_port,
                            .protocol = Protocol::TCP,
                            .flags = flags};
        last_ = frame_of(packet, 77, acknowledged).build();
        return datapath().run(test::Program::TC_EGRESS, network().uplink, last_);
    }
    packet::Bytes last_;
};

TEST_P(TcpConnection, IsEstablishedByTheClientsAckAfterTheAnswer) {
    for (const packet::Actor& pod : {a1, b1}) {
        datapath().remove_flows();
        serve({at(pod)});
        Talk talk = begin();
        EXPECT_EQ(state(), FLOW_HALF_OPEN);
        say(talk, ACK);
        EXPECT_EQ(state(), FLOW_HALF_OPEN) << "a blind ACK plants nothing that lives for hours";
        answer(talk, SYN | ACK);
        EXPECT_EQ(state(), FLOW_REPLIED);
        say(talk, ACK);
        EXPECT_EQ(state(), FLOW_ESTABLISHED);
    }
}

TEST_P(TcpConnection, ResetOnlyShortensItsLife) {
    for (const packet::Actor& pod : {a1, b1}) {
        for (const bool by_client : {true, false}) {
            datapath().remove_flows();
            serve({at(pod)});
            Talk talk = establish();
            const Destination before = *talk.seen.to;
            by_client ? static_cast<void>(say(talk, RST)) : answer(talk, RST);
            EXPECT_EQ(state(), FLOW_CLOSING);
            EXPECT_EQ(say(talk, ACK), before) << "whoever sent the reset may have made it up";
            answer(talk, ACK);
        }
    }
}

TEST_P(TcpConnection, PortThatComesAgainAfterTheEndIsANewConnection) {
    serve({at(b1)});
    Talk talk = establish();
    say(talk, FIN | ACK);
    answer(talk, FIN | ACK);
    set_endpoints({at(a1)});
    in_force();
    Talk next = begin(talk.first, 5000);
    EXPECT_EQ(name_of(next.seen.to->address), "a1");
    answer(next);
    EXPECT_EQ(say(next, ACK).address, of(a1));
    EXPECT_EQ(state(), FLOW_ESTABLISHED);
}

// After the end the rules for new connections hold again.
TEST_P(TcpConnection, PortThatComesAgainIsJudgedAgain) {
    serve({at(a1)});
    Talk talk = establish();
    answer(talk, RST | ACK);
    set_endpoints({});
    in_force();
    expect_outcome(talk.first, Outcome::RESET);
    EXPECT_EQ(datapath().flows().size(), 0u);
}

TEST_P(TcpConnection, SynOfAnEstablishedOneIsForwarded) {
    serve({at(b1)});
    Talk talk = establish();
    set_endpoints({at(a1)});
    in_force();
    EXPECT_EQ(say(talk, SYN).address, of(b1)) << "the endpoint's challenge decides";
    EXPECT_EQ(state(), FLOW_ESTABLISHED);
    answer(talk, ACK);
}

TEST_P(TcpConnection, DirectOneBehindAStaleFlowIsLeftAlone) {
    serve({at(a1)});
    Talk talk = establish();
    // The client went to the pod itself, from the same port; the pod answers a SYN that the flow never saw.
    const test::Outcome outcome = pod_sends(talk, SYN | ACK, talk.sequence + 123457);
    EXPECT_EQ(outcome.verdict, Verdict::PASSED);
    EXPECT_EQ(outcome.frame.bytes, last_) << outcome.frame;
    EXPECT_EQ(outcome.events, test::Events{FLOW_STALE_REMOVED});
    EXPECT_EQ(datapath().flows().size(), 0u);
    const test::Outcome data = pod_sends(talk, ACK, talk.sequence + 123457);
    EXPECT_EQ(data.frame.bytes, last_);
}

TEST_P(TcpConnection, AnswerSentAgainIsNoDirectOne) {
    serve({at(a1)});
    Talk talk = begin();
    answer(talk);
    answer(talk);
    say(talk, ACK);
    answer(talk);
    EXPECT_EQ(state(), FLOW_ESTABLISHED);
}

TEST_P(TcpConnection, AnswerToASynThatCameAgainFromTheSamePortIsNoDirectOne) {
    serve({at(a1)});
    Talk talk = begin(dial(), 1000);
    talk.sequence = 900000;  // a new attempt of the client's, with a number of its own
    say(talk, SYN);
    answer(talk);
    say(talk, ACK);
    EXPECT_EQ(state(), FLOW_ESTABLISHED);
}

// RFC 7413: the SYN carries data, and the answer acknowledges it.
TEST_P(TcpConnection, FastOpenIsNoDirectOne) {
    for (const bool takes_data : {true, false}) {
        datapath().remove_flows();
        serve({at(a1)});
        const std::string payload = "GET /v1/order";
        const Packet first = dial();
        const packet::Packet syn = packet::Ethernet{.daddr = node_a.mac, .saddr = router.mac} /
                                   packet::Layer(packet::Ip{.saddr = client(), .daddr = vip()}) /
                                   packet::TCP{.sport = first.source_port, .dport = PORT, .sequence = 1000, .flags = packet::SYN} /
                                   packet::Payload{payload};
        EXPECT_EQ(datapath().run(ingress(), network().uplink, syn).events, (test::Events{FLOW_OPENED, FORWARDED_LOCAL_REQUEST}));
        Talk talk{.first = first, .sequence = 1000};
        talk.seen.to = Destination{.address = of(a1), .port = TARGET_PORT, .is_local = true};
        const std::uint32_t data = takes_data ? static_cast<std::uint32_t>(payload.size()) : 0;
        const test::Outcome outcome = pod_sends(talk, SYN | ACK, 1001 + data);
        EXPECT_EQ(outcome.events, test::Events{FORWARDED_LOCAL_REPLY}) << "data taken: " << takes_data;
        EXPECT_EQ(packet::View(outcome.frame.bytes).saddr, vip());
    }
}

// Nobody answers them but the ends: a reset that is believed would come back.
TEST_P(TcpConnection, OddSegmentsAreForwardedAndNeverAnswered) {
    for (const packet::Actor& pod : {a1, b1}) {
        datapath().remove_flows();
        serve({at(pod)});
        Talk talk = establish();
        const Destination where = *talk.seen.to;
        for (const std::uint32_t sequence : {0u, 0x7fffffffu, 0xffffffffu, talk.sequence - 100000}) {
            for (const int flags : {0, ACK + 0, ACK | 8, ACK | 32, SYN | ACK, 0x3f & ~(FIN | RST | SYN), 8}) {
                Packet packet = talk.first;
                packet.flags = static_cast<std::uint8_t>(flags);
                const Sent sent = send(packet, sequence, 0xdeadbeef);
                EXPECT_EQ(sent.seen.fault, "") << flags << sent.outcome.events;
                ASSERT_EQ(sent.seen.outcome, Outcome::FORWARDED) << flags;
                EXPECT_EQ(*sent.seen.to, where);
            }
        }
        EXPECT_EQ(state(), FLOW_ESTABLISHED);
    }
}

// ---- What connections outlive

class Change {
public:
    const char* name;
    void (*make)(World& world);
};

const Change CHANGES[] = {
    {"endpoint removed", [](World& world) { world.services["orders"].slices.front().endpoints.clear(); }},
    {"endpoint terminates",
     [](World& world) {
         for (Endpoint& one : world.services["orders"].slices.front().endpoints) {
             one.ready = one.serving = false;
             one.terminating = true;
         }
     }},
    {"target port", [](World& world) { world.services["orders"].slices.front().ports.front().port = 9090; }},
    {"policy", [](World& world) { world.services["orders"].is_local = true; }},
    {"affinity", [](World& world) { world.services["orders"].affinity_timeout = 10800; }},
    {"ranges", [](World& world) { world.services["orders"].source_ranges = {{"192.0.2.0", 24}}; }},
    {"ports", [](World& world) { world.services["orders"].ports.front().port = 99; }},
    {"node port", [](World& world) { world.services["orders"].ports.front().node_port = 30099; }},
    {"VIP", [](World& world) { world.services["orders"].ingress_ips.clear(); }},
    {"type", [](World& world) { world.services["orders"].type = Service::Type::CLUSTER_IP; }},
    {"Service deleted", [](World& world) { world.services.clear(); }},
};

TEST_P(TcpConnection, OutlivesEveryChangeOfItsServiceAndEndpoint) {
    for (const packet::Actor& pod : {a1, b1}) {
        for (const Change& change : CHANGES) {
            SCOPED_TRACE(change.name);
            datapath().remove_flows();
            world.services.clear();
            in_force();
            serve({at(pod)});
            Talk talk = establish();
            const Destination where = *talk.seen.to;
            change.make(world);
            in_force();
            EXPECT_EQ(say(talk, ACK), where);
            answer(talk, ACK);
            restart_agent();
            in_force();
            EXPECT_EQ(say(talk, ACK), where);
            say(talk, FIN | ACK);
            answer(talk, FIN | ACK);
        }
    }
}

TEST_P(TcpConnection, NoNewOneReachesAnEndpointThatLeaves) {
    serve({at(a1), at(a2), at(b1), at(b2)});
    endpoints()[0].ready = false;
    endpoints()[0].terminating = true;
    endpoints().erase(endpoints().begin() + 2);
    in_force();
    EXPECT_EQ(reached(), "a2 b2");
}

INSTANTIATE_TEST_SUITE_P(, TcpConnection, testing::ValuesIn(test::tcp_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::contract
