// SPDX-License-Identifier: Apache-2.0
// Checksums that are special: UDP's zero, sums that come out as zero, and wrong ones, which must stay wrong so that
// the receiver sees it.
#include "test/packet/checksum.h"

#include <arpa/inet.h>

#include "test/bpf/fixture.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

class Checksums : public CaseTest {
protected:
    // The four ways of a packet: in from the client and out to the backend, and back.
    struct Way {
        const char* name;
        Link in_link;
        Tuple in;
        Link out_link;
        Tuple out;
        bool sent_out;
        bool at_egress;
    };

    // Opens a flow to a local and one to a remote backend; later packets go these ways.
    std::vector<Way> ways() {
        const Tuple other{of(client), CLIENT_PORT, of(other_vip), FRONTEND_PORT};
        serve({local(a1)});
        datapath().serve({{of(other_vip), FRONTEND_PORT, protocol()}}, {remote(b1)});
        come_in(request());
        come_in(packet(from_router(), other, SYN));
        const std::uint16_t port = snat_port();
        return {
            {"local request",
             from_router(),
             dialled(),
             from_router(),
             {of(client), CLIENT_PORT, of(a1), POD_PORT},
             false,
             false},
            {"local reply",
             to_router(),
             {of(a1), POD_PORT, of(client), CLIENT_PORT},
             to_router(),
             {of(vip), FRONTEND_PORT, of(client), CLIENT_PORT},
             false,
             true},
            {"remote request", from_router(), other, to_node_b(), {of(node_a), port, of(b1), POD_PORT}, true, false},
            {"remote reply",
             from_node_b(),
             {of(b1), POD_PORT, of(node_a), port},
             to_router(),
             {of(other_vip), FRONTEND_PORT, of(client), CLIENT_PORT},
             true,
             false},
        };
    }

    Packet before(const Way& way, const std::string& payload, bool no_checksum = false) const {
        return packet(way.in_link, way.in, ACK, {.ttl = 61, .payload = payload, .no_checksum = no_checksum});
    }
    Packet after(const Way& way, const std::string& payload, bool no_checksum = false) const {
        return packet(
            way.out_link, way.out, ACK,
            {.ttl = static_cast<std::uint8_t>(way.sent_out ? 60 : 61), .payload = payload, .no_checksum = no_checksum});
    }

    Frame forward(const Way& way, const Bytes& frame, bool checksum_complete = true) const {
        const RunOptions options{.checksum_complete = checksum_complete};
        return datapath().run(way.at_egress ? Program::TC_EGRESS : ingress(), network().uplink, frame, options).frame;
    }

    std::size_t l3_size() const { return version() == 4 ? 20 : 40; }
    std::size_t checksum_offset() const { return 14 + l3_size() + (is_tcp() ? 16 : 6); }

    // Two bytes of payload that make the checksum of `packet(way, payload)` come out as zero.
    std::string payload_for_zero(const Packet& packet_with_zeros) const {
        const Bytes bytes = packet_with_zeros.build();
        return {bytes.begin() + static_cast<std::ptrdiff_t>(checksum_offset()),
                bytes.begin() + static_cast<std::ptrdiff_t>(checksum_offset() + 2)};
    }
};

const std::string ZEROS(2, '\0');

TEST_P(Checksums, UdpWithoutOneStaysWithout) {
    if (is_tcp()) {
        GTEST_SKIP() << "TCP always has one";
    }
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name);
        EXPECT_EQ(forward(way, before(way, "hello", true), false), Frame(after(way, "hello", true)));
    }
}

// RFC 768: zero would mean that there is none, so UDP sends all ones; TCP sends the zero.
TEST_P(Checksums, SumThatComesOutAsZero) {
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name);
        const std::string payload = payload_for_zero(after(way, ZEROS));
        const Bytes expected = after(way, payload).build();
        ASSERT_EQ(expected[checksum_offset()], is_tcp() ? 0 : 0xff);
        ASSERT_EQ(expected[checksum_offset() + 1], is_tcp() ? 0 : 0xff);
        EXPECT_EQ(forward(way, before(way, payload)), Frame(expected));
    }
}

TEST_P(Checksums, SumThatWasZero) {
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name);
        const std::string payload = payload_for_zero(before(way, ZEROS));
        EXPECT_EQ(forward(way, before(way, payload)), Frame(after(way, payload)));
    }
}

// Many payloads, so that carries happen in every place.
TEST_P(Checksums, AreRightForManySums) {
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name);
        for (unsigned i = 0; i < 512; i++) {
            const std::string payload{static_cast<char>(i * 127 >> 8), static_cast<char>(i * 127), 'x'};
            EXPECT_EQ(forward(way, before(way, payload)), Frame(after(way, payload)));
        }
    }
}

// The differences that a flow keeps are sums folded to 16 bits; where the unfolded ones are just below a multiple of
// 2^16, folding carries twice. Ports near there, whichever words a sum takes in besides. The programs add words as
// they stand in memory.
TEST_P(Checksums, AreRightWhereFoldingCarriesTwice) {
    constexpr std::uint16_t MIDDLE = 20000, AROUND = 40;
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < of(vip).bytes().size(); i += 2) {
        const auto word = [i](const Address& address) {
            return htons(static_cast<std::uint16_t>(checksum_sum(address.bytes().subspan(i, 2))));
        };
        sum += word(of(a1)) + 0xffffu - word(of(vip));
    }
    const std::uint16_t pod_port = ntohs(static_cast<std::uint16_t>(MIDDLE + 1 - sum));
    std::vector<Frontend> frontends;
    for (std::uint16_t word = MIDDLE - AROUND; word <= MIDDLE + AROUND; word++) {
        frontends.push_back({of(vip), ntohs(word), protocol()});
    }
    datapath().serve(frontends, {{of(a1), pod_port, true}});

    for (const Frontend& frontend : frontends) {
        SCOPED_TRACE(frontend.port);
        const Tuple dialled{of(client), CLIENT_PORT, of(vip), frontend.port};
        const Tuple at_pod{of(client), CLIENT_PORT, of(a1), pod_port};
        const Tuple reply{of(a1), pod_port, of(client), CLIENT_PORT};
        const Tuple reply_of_vip{of(vip), frontend.port, of(client), CLIENT_PORT};
        EXPECT_EQ(come_in(packet(from_router(), dialled, SYN)).frame, Frame(packet(from_router(), at_pod, SYN)));
        EXPECT_EQ(go_out(packet(to_router(), reply, ACK)).frame, Frame(packet(to_router(), reply_of_vip, ACK)));
        datapath().remove_flows();
    }
}

TEST_P(Checksums, WrongOnesStayWrong) {
    for (const Way& way : ways()) {
        SCOPED_TRACE(way.name);
        Bytes broken_l4 = before(way, "hello").build();
        broken_l4.back() ^= 1;
        const Frame forwarded_l4 = forward(way, broken_l4, false);
        EXPECT_EQ(View(forwarded_l4.bytes).daddr, way.out.daddr);
        EXPECT_EQ(View(forwarded_l4.bytes).l4_checksum, Checksum::WRONG);
        if (version() == 4) {
            Bytes broken_ip = before(way, "hello").build();
            broken_ip[14 + 10] ^= 1;
            const Frame forwarded_ip = forward(way, broken_ip, false);
            EXPECT_EQ(View(forwarded_ip.bytes).daddr, way.out.daddr);
            EXPECT_EQ(View(forwarded_ip.bytes).ip_checksum, Checksum::WRONG);
            EXPECT_EQ(View(forwarded_ip.bytes).l4_checksum, Checksum::RIGHT);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(, Checksums, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
