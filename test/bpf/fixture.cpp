// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/fixture.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <ostream>

namespace shunt::test {

using namespace packet;
using namespace packet::actors;

void DatapathTest::SetUp() {
    if (geteuid() != 0) {
        GTEST_SKIP() << "needs root: loads BPF programs and makes a network namespace";
    }
    datapath().reset(network());
}

Datapath& DatapathTest::datapath() {
    static Datapath datapath{(Network::enter(), Datapath::Options{})};
    return datapath;
}

void DatapathTest::expect_flows(const std::vector<Flow>& expected, const Datapath& datapath) {
    const std::vector<Flow> actual = datapath.flows();
    for (const Flow& flow : expected) {
        EXPECT_NE(std::find(actual.begin(), actual.end(), flow), actual.end()) << "missing: " << flow;
    }
    for (const Flow& flow : actual) {
        EXPECT_NE(std::find(expected.begin(), expected.end(), flow), expected.end()) << "not expected: " << flow;
    }
}

std::string to_string(const Case& c) {
    return std::string(c.version == 4 ? "IPv4" : "IPv6") + (c.protocol == ::TCP ? "_TCP" : "_UDP") +
           (c.ingress == Program::XDP_INGRESS ? "_XDP" : "_tc");
}

std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << to_string(c);
}

std::vector<Case> all_cases() {
    std::vector<Case> cases;
    for (const int version : {4, 6}) {
        for (const l4_protocol protocol : {::TCP, ::UDP}) {
            for (const Program program : {Program::XDP_INGRESS, Program::TC_INGRESS}) {
                cases.push_back({version, protocol, program});
            }
        }
    }
    return cases;
}

std::vector<Case> tcp_cases() {
    std::vector<Case> cases = all_cases();
    std::erase_if(cases, [](const Case& c) { return c.protocol != ::TCP; });
    return cases;
}

Packet CaseTest::packet(const Link& link, const Tuple& tuple, std::uint8_t flags, const Options& options) const {
    Packet packet = Ethernet{.daddr = link.to, .saddr = link.from};
    if (version() == 4) {
        packet /= IPv4{.saddr = tuple.saddr, .daddr = tuple.daddr, .ttl = options.ttl, .options = options.ipv4_options};
    } else {
        packet /= IPv6{.saddr = tuple.saddr, .daddr = tuple.daddr, .hop_limit = options.ttl};
    }
    if (is_tcp()) {
        packet /= packet::TCP{.sport = tuple.sport, .dport = tuple.dport, .flags = flags};
    } else {
        packet::UDP udp{.sport = tuple.sport, .dport = tuple.dport};
        if (options.no_checksum) {
            udp.checksum = 0;
        }
        packet /= udp;
    }
    return packet / Payload{options.payload};
}

Tuple CaseTest::dialled(std::uint16_t client_port) const {
    return {of(client), client_port, of(vip), FRONTEND_PORT};
}

Packet CaseTest::request(std::uint8_t flags, const Options& options) const {
    return packet(from_router(), dialled(), flags, options);
}

std::uint32_t CaseTest::serve(const std::vector<BackendAt>& backends) const {
    return datapath().serve({{of(vip), FRONTEND_PORT, protocol()}}, backends);
}

Outcome CaseTest::come_in(const Packet& packet, RunOptions options) const {
    return come_in(network().uplink, packet, options);
}

Outcome CaseTest::come_in(const Device& device, const Packet& packet, RunOptions options) const {
    return datapath().run(ingress(), device, packet, options);
}

Outcome CaseTest::go_out(const Packet& packet, RunOptions options) const {
    return datapath().run(Program::TC_EGRESS, network().uplink, packet, options);
}

Verdict CaseTest::sent(const Device& in, const Device& out) const {
    return is_xdp() && in.ifindex == out.ifindex ? Verdict::SENT_BACK : Verdict::REDIRECTED;
}

void CaseTest::expect(const Outcome& outcome, Verdict verdict, const Frame& frame, const Events& events) {
    EXPECT_EQ(outcome.verdict, verdict);
    EXPECT_EQ(outcome.frame, frame);
    EXPECT_EQ(Frame(outcome.metadata), Frame());
    EXPECT_EQ(outcome.events, events);
}

std::uint16_t CaseTest::snat_port() const {
    std::uint16_t port = 0;
    int requests = 0;
    for (const Flow& flow : datapath().flows()) {
        if (flow.kind == RECIPE_REMOTE_REQUEST) {
            port = flow.sport;
            requests++;
        }
    }
    EXPECT_EQ(requests, 1);
    EXPECT_GE(port, 10240);
    EXPECT_LT(port, 10240 + 16384);
    return port;
}

std::vector<Flow> CaseTest::local_flow(flow_state state, const Actor& pod, std::uint32_t service,
                                       std::uint32_t backend) const {
    return {
        {.key = {of(client), of(vip), CLIENT_PORT, FRONTEND_PORT, protocol(), FLOW_INGRESS},
         .kind = RECIPE_LOCAL_REQUEST,
         .state = state,
         .saddr = of(client),
         .daddr = of(pod),
         .sport = CLIENT_PORT,
         .dport = POD_PORT,
         .service = service,
         .backend = backend,
         .ifindex = network().uplink.ifindex},
        {.key = {of(pod), of(client), POD_PORT, CLIENT_PORT, protocol(), FLOW_EGRESS},
         .kind = RECIPE_LOCAL_REPLY,
         .state = state,
         .saddr = of(vip),
         .daddr = of(client),
         .sport = FRONTEND_PORT,
         .dport = CLIENT_PORT,
         .service = service,
         .backend = backend,
         .ifindex = network().uplink.ifindex},
    };
}

const Link& from_router() {
    static const Link link{router.mac, node_a.mac};
    return link;
}

const Link& to_router() {
    static const Link link{node_a.mac, router.mac};
    return link;
}

const Link& to_node_b() {
    static const Link link{node_a.mac, node_b.mac};
    return link;
}

const Link& from_node_b() {
    static const Link link{node_b.mac, node_a.mac};
    return link;
}

const Link& to_node_c() {
    static const Link link{node_a_storage.mac, node_c_storage.mac};
    return link;
}

const Link& from_node_c() {
    static const Link link{node_c_storage.mac, node_a_storage.mac};
    return link;
}

}  // namespace shunt::test
