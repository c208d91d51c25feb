// SPDX-License-Identifier: Apache-2.0
// The life of a flow, told by its packets: what opens, establishes, closes and reopens it. Both entries always
// carry the same state, and packets are forwarded in every one of them.
#include "test/bpf/fixture.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

enum class Where { LOCAL, REMOTE };

class Life : public CaseTest {
protected:
    // A service whose backend is a1 or b1, with a flow of dialled() in it.
    void open(Where where) {
        where_ = where;
        service_ = serve({where == Where::LOCAL ? local(a1) : remote(b1)});
        EXPECT_EQ(come_in(request(SYN)).events, (Events{FLOW_OPENED, forwarded_request()}));
        expect_state(FLOW_HALF_OPEN);
    }

    void client_sends(std::uint8_t flags, flow_state expected) {
        EXPECT_EQ(come_in(request(flags)).events, Events{forwarded_request()}) << "flags " << int{flags};
        expect_state(expected);
    }

    void backend_sends(std::uint8_t flags, flow_state expected) {
        const Outcome outcome =
            where_ == Where::LOCAL ? go_out(packet(to_router(), {of(a1), POD_PORT, of(client), CLIENT_PORT}, flags))
                                   : come_in(packet(from_node_b(), {of(b1), POD_PORT, of(node_a), snat_port()}, flags));
        EXPECT_EQ(outcome.events, Events{where_ == Where::LOCAL ? FORWARDED_LOCAL_REPLY : FORWARDED_REMOTE_REPLY});
        expect_state(expected);
    }

    void establish() {
        if (is_tcp()) {
            backend_sends(SYN | ACK, FLOW_REPLIED);
            client_sends(ACK, FLOW_ESTABLISHED);
        } else {
            backend_sends(0, FLOW_ESTABLISHED);
        }
    }

    void expect_state(flow_state state) {
        const std::vector<Flow> flows = datapath().flows();
        EXPECT_EQ(flows.size(), 2u);
        for (const Flow& flow : flows) {
            EXPECT_EQ(flow.state, state) << flow;
        }
    }

    event forwarded_request() const {
        return where_ == Where::LOCAL ? FORWARDED_LOCAL_REQUEST : FORWARDED_REMOTE_REQUEST;
    }

    Where where_{};
    std::uint32_t service_ = 0;
};

class TcpLife : public Life {};
class UdpLife : public Life {};

constexpr Where BOTH[] = {Where::LOCAL, Where::REMOTE};

TEST_P(TcpLife, HandshakeEstablishes) {
    for (const Where where : BOTH) {
        datapath().reset(network());
        open(where);
        backend_sends(SYN | ACK, FLOW_REPLIED);
        backend_sends(SYN | ACK, FLOW_REPLIED);  // once more
        client_sends(ACK, FLOW_ESTABLISHED);
        client_sends(PSH | ACK, FLOW_ESTABLISHED);
        backend_sends(ACK, FLOW_ESTABLISHED);
    }
}

TEST_P(TcpLife, AckWithDataEndsTheHandshakeToo) {
    open(Where::REMOTE);
    backend_sends(SYN | ACK, FLOW_REPLIED);
    client_sends(PSH | ACK, FLOW_ESTABLISHED);
}

// SYN and a blind ACK may not plant entries that live for hours.
TEST_P(TcpLife, BlindAckEstablishesNothing) {
    for (const Where where : BOTH) {
        datapath().reset(network());
        open(where);
        client_sends(ACK, FLOW_HALF_OPEN);
        client_sends(SYN | ACK, FLOW_HALF_OPEN);
        backend_sends(ACK, FLOW_HALF_OPEN);
        backend_sends(SYN, FLOW_HALF_OPEN);
    }
}

TEST_P(TcpLife, SynAfterTheBackendsAnswerIsNoAcknowledgement) {
    open(Where::REMOTE);
    backend_sends(SYN | ACK, FLOW_REPLIED);
    client_sends(SYN, FLOW_REPLIED);
    client_sends(SYN | ACK, FLOW_REPLIED);
}

TEST_P(TcpLife, FinAndResetOfEitherSideClose) {
    for (const Where where : BOTH) {
        for (const std::uint8_t flags : {FIN | ACK, RST + 0, RST | ACK}) {
            for (const bool by_client : {true, false}) {
                datapath().reset(network());
                open(where);
                establish();
                by_client ? client_sends(flags, FLOW_CLOSING) : backend_sends(flags, FLOW_CLOSING);
                client_sends(ACK, FLOW_CLOSING);
                backend_sends(PSH | ACK, FLOW_CLOSING);
                backend_sends(FIN | ACK, FLOW_CLOSING);
                client_sends(FIN | ACK, FLOW_CLOSING);
                client_sends(ACK, FLOW_CLOSING);
            }
        }
    }
}

TEST_P(TcpLife, RefusedHandshakeCloses) {
    open(Where::REMOTE);
    backend_sends(RST | ACK, FLOW_CLOSING);
}

TEST_P(TcpLife, SynOfAnEstablishedFlowIsForwarded) {
    for (const Where where : BOTH) {
        datapath().reset(network());
        open(where);
        establish();
        client_sends(SYN, FLOW_ESTABLISHED);
    }
}

TEST_P(TcpLife, SynOfAClosingFlowOpensAnew) {
    for (const Where where : BOTH) {
        datapath().reset(network());
        open(where);
        establish();
        client_sends(FIN | ACK, FLOW_CLOSING);

        EXPECT_EQ(come_in(request(SYN)).events, (Events{FLOW_REOPENED, FLOW_OPENED, forwarded_request()}));
        expect_state(FLOW_HALF_OPEN);
        EXPECT_EQ(datapath().service_count(service_), (ServiceCount{.flows_opened = 2}));
        establish();
    }
}

// The slots have changed since: the new flow takes another backend, the old one's entries are gone.
TEST_P(TcpLife, ReopenedFlowPicksAgain) {
    service_ = serve({local(a1), local(a2)});
    datapath().point_slots_at(service_, 1);
    come_in(request(SYN));
    expect_flows(local_flow(FLOW_HALF_OPEN, a1, service_, 1));
    come_in(request(RST));
    datapath().point_slots_at(service_, 2);
    come_in(request(ACK));
    expect_flows(local_flow(FLOW_CLOSING, a1, service_, 1));
    come_in(request(SYN));
    expect_flows(local_flow(FLOW_HALF_OPEN, a2, service_, 2));
}

TEST_P(TcpLife, RetransmittedSynGoesToAnotherBackend) {
    service_ = serve({local(a1), local(a2)});
    datapath().point_slots_at(service_, 1);
    come_in(request(SYN));
    datapath().point_slots_at(service_, 2);

    EXPECT_EQ(come_in(request(SYN)).events, (Events{FLOW_RESCUED, FLOW_OPENED, FORWARDED_LOCAL_REQUEST}));
    expect_flows(local_flow(FLOW_HALF_OPEN, a2, service_, 2));
}

TEST_P(TcpLife, RetransmittedSynStaysWhereNoOtherBackendIs) {
    service_ = serve({local(a1)});
    come_in(request(SYN));
    EXPECT_EQ(come_in(request(SYN)).events, Events{FORWARDED_LOCAL_REQUEST});
    expect_flows(local_flow(FLOW_HALF_OPEN, a1, service_, 1));
}

TEST_P(TcpLife, RetransmittedSynStaysOnceItWasAnswered) {
    service_ = serve({local(a1), local(a2)});
    datapath().point_slots_at(service_, 1);
    come_in(request(SYN));
    go_out(packet(to_router(), {of(a1), POD_PORT, of(client), CLIENT_PORT}, SYN | ACK));
    datapath().point_slots_at(service_, 2);
    EXPECT_EQ(come_in(request(SYN)).events, Events{FORWARDED_LOCAL_REQUEST});
    expect_flows(local_flow(FLOW_REPLIED, a1, service_, 1));
}

TEST_P(TcpLife, OnlySynOpens) {
    serve({local(a1)});
    for (const int flags :
         {0, ACK + 0, SYN | ACK, FIN + 0, FIN | ACK, RST + 0, RST | ACK, PSH | ACK, SYN | FIN, SYN | RST}) {
        const Packet packet = request(static_cast<std::uint8_t>(flags));
        expect(come_in(packet), Verdict::PASSED, packet, {PASSED_NO_FLOW});
    }
    expect_flows({});
}

TEST_P(TcpLife, DrainingNodeOpensNothingAndForwardsOn) {
    for (const Where where : BOTH) {
        datapath().reset(network());
        open(where);
        establish();
        datapath().drain();
        client_sends(PSH | ACK, FLOW_ESTABLISHED);
        backend_sends(PSH | ACK, FLOW_ESTABLISHED);
        const Packet another = packet(from_router(), dialled(CLIENT_PORT + 1), SYN);
        expect(come_in(another), Verdict::PASSED, another, {PASSED_NO_FLOW});
        expect_state(FLOW_ESTABLISHED);
        client_sends(FIN | ACK, FLOW_CLOSING);
        backend_sends(FIN | ACK, FLOW_CLOSING);
        // The client dials again from the same port: that is a new connection.
        const Packet again = request(SYN);
        expect(come_in(again), Verdict::PASSED, again, {FLOW_REOPENED, PASSED_NO_FLOW});
        expect_flows({});
    }
}

// Congestion notification is negotiated in the SYN (RFC 3168).
TEST_P(TcpLife, SynWithEcnOpens) {
    serve({local(a1)});
    EXPECT_EQ(come_in(request(SYN | 0x40 | 0x80)).events, (Events{FLOW_OPENED, FORWARDED_LOCAL_REQUEST}));
}

TEST_P(UdpLife, FirstReplyEstablishes) {
    for (const Where where : BOTH) {
        datapath().reset(network());
        open(where);
        client_sends(0, FLOW_HALF_OPEN);
        backend_sends(0, FLOW_ESTABLISHED);
        client_sends(0, FLOW_ESTABLISHED);
        backend_sends(0, FLOW_ESTABLISHED);
    }
}

TEST_P(UdpLife, DrainingNodeOpensNothingAndForwardsOn) {
    for (const Where where : BOTH) {
        datapath().reset(network());
        open(where);
        datapath().drain();
        backend_sends(0, FLOW_ESTABLISHED);
        client_sends(0, FLOW_ESTABLISHED);
        const Packet another = packet(from_router(), dialled(CLIENT_PORT + 1), 0);
        expect(come_in(another), Verdict::PASSED, another, {PASSED_NO_FLOW});
        expect_state(FLOW_ESTABLISHED);
    }
}

std::vector<Case> udp_cases() {
    std::vector<Case> cases = all_cases();
    std::erase_if(cases, [](const Case& c) { return c.protocol != ::UDP; });
    return cases;
}

INSTANTIATE_TEST_SUITE_P(, TcpLife, testing::ValuesIn(tcp_cases()),
                         [](const auto& info) { return to_string(info.param); });
INSTANTIATE_TEST_SUITE_P(, UdpLife, testing::ValuesIn(udp_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
