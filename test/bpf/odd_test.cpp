// SPDX-License-Identifier: Apache-2.0
// What is left alone: fragments, ICMP errors, tags, extension headers, other protocols, other sizes. Always in the
// presence of a flow and a frontend that the packet would belong to, if it were not odd.
#include "test/bpf/fixture.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

class Odd : public CaseTest {
protected:
    // vip: a flow to a1; other_vip: one to b1.
    void SetUp() override {
        CaseTest::SetUp();
        if (IsSkipped()) {
            return;
        }
        serve({local(a1)});
        datapath().serve({{of(other_vip), FRONTEND_PORT, protocol()}}, {remote(b1)});
        come_in(request());
        come_in(packet(from_router(), {of(client), CLIENT_PORT, of(other_vip), FRONTEND_PORT}, SYN));
        flows_ = datapath().flows();
    }

    // At ingress and at egress, whatever the addresses: untouched, and no flow changed.
    void expect_untouched(const Frame& frame, const Events& events) {
        for (const Program program : {ingress(), Program::TC_EGRESS}) {
            SCOPED_TRACE(name(program));
            expect(datapath().run(program, network().uplink, frame.bytes), Verdict::PASSED, frame, events);
        }
        expect_flows(flows_);
    }

    // The five headers that have a frontend or a flow here, followed by `rest`.
    template <typename Build>
    void for_all(Build build) {
        for (const Tuple& tuple :
             {Tuple{of(client), CLIENT_PORT, of(vip), FRONTEND_PORT},
              Tuple{of(client), CLIENT_PORT, of(other_vip), FRONTEND_PORT},
              Tuple{of(other_client), CLIENT_PORT, of(vip), FRONTEND_PORT},
              Tuple{of(b1), POD_PORT, of(node_a), snat_port()}, Tuple{of(a1), POD_PORT, of(client), CLIENT_PORT}}) {
            SCOPED_TRACE(tuple.saddr.to_string() + " > " + tuple.daddr.to_string());
            build(tuple);
        }
    }

    Layer l4(const Tuple& tuple) const {
        return is_tcp() ? Layer(packet::TCP{.sport = tuple.sport, .dport = tuple.dport, .flags = SYN})
                        : Layer(packet::UDP{.sport = tuple.sport, .dport = tuple.dport});
    }

    const Ethernet ethernet_{.daddr = node_a.mac, .saddr = router.mac};
    std::vector<Flow> flows_;
};

TEST_P(Odd, Fragments) {
    struct {
        bool more;
        std::uint16_t offset;
    } const pieces[] = {{true, 0}, {true, 1480}, {false, 1480}};
    for_all([&](const Tuple& tuple) {
        for (const auto& piece : pieces) {
            Packet packet = ethernet_;
            if (version() == 4) {
                packet /= IPv4{.saddr = tuple.saddr,
                               .daddr = tuple.daddr,
                               .dont_fragment = false,
                               .more_fragments = piece.more,
                               .fragment_offset = piece.offset};
            } else {
                packet /= IPv6{.saddr = tuple.saddr, .daddr = tuple.daddr};
                packet /= Fragment6{.offset = piece.offset, .more_fragments = piece.more};
            }
            expect_untouched(packet / l4(tuple) / Payload{"hello"}, {PASSED_FRAGMENT});
        }
    });
}

TEST_P(Odd, VlanTags) {
    for_all([&](const Tuple& tuple) {
        const Ip ip{tuple.saddr, tuple.daddr};
        expect_untouched(ethernet_ / Vlan{.id = 7} / ip / l4(tuple), {PASSED_VLAN});
        expect_untouched(ethernet_ / Vlan{.id = 7, .tpid = 0x88a8} / Vlan{.id = 8} / ip / l4(tuple), {PASSED_VLAN});
    });
}

TEST_P(Odd, ExtensionHeaders) {
    if (version() != 6) {
        GTEST_SKIP() << "IPv6 has them";
    }
    for_all([&](const Tuple& tuple) {
        for (const std::uint8_t kind : {0, 43, 60}) {
            const IPv6 ip{.saddr = tuple.saddr, .daddr = tuple.daddr};
            const Extension extension{.kind = kind, .content = from_hex("0104 00000000")};
            expect_untouched(ethernet_ / ip / extension / l4(tuple), {PASSED_EXTENSION_HEADER});
        }
    });
}

// Quoting the packet of the flow that they are about.
TEST_P(Odd, IcmpErrors) {
    for_all([&](const Tuple& tuple) {
        const Ip outer{of(router), tuple.saddr};
        const Payload quoted = quote(Packet(Ip{tuple.saddr, tuple.daddr}) / l4(tuple) / Payload{"hello"});
        for (const std::uint8_t type : version() == 4 ? Bytes{3, 11, 12} : Bytes{1, 2, 3, 4}) {
            const Layer icmp = version() == 4 ? Layer(ICMPv4{.type = type, .code = 0, .rest = 1400})
                                              : Layer(ICMPv6{.type = type, .code = 0, .rest = 1400});
            expect_untouched(ethernet_ / outer / icmp / quoted, {PASSED_ICMP_ERROR});
        }
    });
}

TEST_P(Odd, OtherIcmpIsNotOurs) {
    const Ip ip{of(client), of(vip)};
    const Bytes types = version() == 4 ? Bytes{0, 8, 13} : Bytes{128, 129, 133, 134, 135, 136};
    for (const std::uint8_t type : types) {
        const Layer icmp = version() == 4 ? Layer(ICMPv4{.type = type}) : Layer(ICMPv6{.type = type});
        expect_untouched(ethernet_ / ip / icmp / Payload{"ping"}, {});
    }
}

TEST_P(Odd, OtherProtocolsAreNotOurs) {
    for (const std::uint8_t protocol : {4, 41, 47, 50, 132, 136, 255}) {
        Packet packet = ethernet_;
        if (version() == 4) {
            packet /= IPv4{.saddr = of(client), .daddr = of(vip), .protocol = protocol};
        } else {
            packet /= IPv6{.saddr = of(client), .daddr = of(vip), .next_header = protocol};
        }
        expect_untouched(packet / l4({of(client), CLIENT_PORT, of(vip), FRONTEND_PORT}), {});
    }
}

TEST_P(Odd, OtherEtherTypesAreNotOurs) {
    for (const std::uint16_t type : {0x0806, 0x8847, 0x88cc, 0x88f7, 0x0026}) {
        const Ethernet ethernet{.daddr = node_a.mac, .saddr = router.mac, .type = type};
        expect_untouched(ethernet / Ip{of(client), of(vip)} / l4(dialled()), {});
    }
}

TEST_P(Odd, OtherFamilysEtherType) {
    const Ethernet ethernet{
        .daddr = node_a.mac, .saddr = router.mac, .type = static_cast<std::uint16_t>(version() == 4 ? 0x86dd : 0x0800)};
    expect_untouched(ethernet / Ip{of(client), of(vip)} / l4(dialled()) / Payload{"GET /v1/order"}, {PASSED_MALFORMED});
}

// Larger than one buffer: the headers decide, the rest only travels along.
TEST_P(Odd, SeveralBuffers) {
    if (!is_xdp()) {
        GTEST_SKIP() << "XDP multi-buffer";
    }
    const std::string payload(1200, 'x');
    const unsigned headers = 14 + (version() == 4 ? 20u : 40u) + (is_tcp() ? 20u : 8u);
    const Packet packet = request(ACK, {.payload = payload});
    for (const unsigned first : {headers, headers + 1, headers + 600}) {
        const Outcome outcome = come_in(packet, {.first_buffer = first});
        if (outcome.verdict == Verdict::REFUSED) {
            GTEST_SKIP() << "this kernel's test run cannot split a frame where it is told to (6.18)";
        }
        expect(outcome, Verdict::PASSED,
               this->packet(from_router(), {of(client), CLIENT_PORT, of(a1), POD_PORT}, ACK, {.payload = payload}),
               {FORWARDED_LOCAL_REQUEST});
    }
    for (const unsigned first : {14u, 20u, 14u + (version() == 4 ? 20u : 40u), headers - 1}) {
        const Outcome outcome = come_in(packet, {.first_buffer = first});
        EXPECT_EQ(outcome.verdict, Verdict::PASSED);
        EXPECT_EQ(outcome.frame, Frame(packet));
        EXPECT_EQ(outcome.metadata.size(), 4u);
        EXPECT_EQ(outcome.events, Events{HANDED_TO_TC});
    }
}

// On tc a packet may be larger than any wire takes: what counts is the segments that it will be cut into.
TEST_P(Odd, GsoPacketsAreMeasuredBySegment) {
    if (is_xdp()) {
        GTEST_SKIP() << "tc sees GSO packets";
    }
    const unsigned headers = (version() == 4 ? 20u : 40u) + (is_tcp() ? 20u : 8u);
    const Tuple tuple{of(client), CLIENT_PORT, of(other_vip), FRONTEND_PORT};
    const std::string payload(3000, 'x');
    const Packet packet = this->packet(from_router(), tuple, ACK, {.ttl = 61, .payload = payload});
    const Packet expected =
        this->packet(to_node_b(), {of(node_a), snat_port(), of(b1), POD_PORT}, ACK, {.ttl = 60, .payload = payload});

    expect(come_in(packet, {.segment_size = 1500 - headers}), Verdict::REDIRECTED, expected,
           {FORWARDED_REMOTE_REQUEST});
    expect(come_in(packet, {.segment_size = 1500 - headers + 1}), Verdict::PASSED, packet, {PASSED_OVER_MTU});
}

INSTANTIATE_TEST_SUITE_P(, Odd, testing::ValuesIn(all_cases()), [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
