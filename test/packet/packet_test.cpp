// SPDX-License-Identifier: Apache-2.0
// The builder against frames that another tool made (Scapy 2.5), and the reader against the builder.
#include "test/packet/packet.h"

#include <gtest/gtest.h>

#include "test/packet/actors.h"
#include "test/packet/checksum.h"
#include "test/packet/frame.h"

namespace shunt::packet {
namespace {

using namespace actors;

const Ethernet ethernet{.daddr = node_a.mac, .saddr = router.mac};
const IPv4 ipv4{.saddr = client.ipv4, .daddr = vip.ipv4};
const IPv6 ipv6{.saddr = client.ipv6, .daddr = vip.ipv6};

void expect_golden(const Packet& packet, std::string_view hex) {
    EXPECT_EQ(Frame(packet), Frame(from_hex(hex)));
}

TEST(Checksum, ExampleOfRfc1071) {
    EXPECT_EQ(checksum_fold(checksum_sum(from_hex("0001 f203 f4f5 f6f7"))), 0xddf2);
    EXPECT_EQ(checksum(from_hex("0001 f203 f4f5 f6f7")), 0x220d);
    EXPECT_EQ(checksum_sum(from_hex("0001 f2")), 0xf201u);  // the odd byte is a high half
}

TEST(Checksum, WellKnownIpv4Header) {
    EXPECT_EQ(checksum(from_hex("4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7")), 0xb861);
}

TEST(Golden, Tcp4WithOptions) {
    expect_golden(ethernet / IPv4{.saddr = client.ipv4, .daddr = vip.ipv4, .ttl = 61} /
                      TCP{.sport = 40001, .dport = 443, .acknowledgement = 0, .flags = SYN, .options = from_hex("020405b4 0402 030307")},
                  "021800000021021800000001080045000034000140003d06d785c6336407cb007102"
                  "9c4101bb000003e8000000008002ffff61f70000020405b40402030307000000");
}

TEST(Golden, Udp4OfOddLength) {
    expect_golden(ethernet / IPv4{.saddr = client.ipv4, .daddr = node_a.ipv4, .id = 0x1234} /
                      UDP{.sport = 5353, .dport = 32001} / Payload{"hello"},
                  "0218000000210218000000010800450000211234400040113836c6336407c6120015"
                  "14e97d01000d39b568656c6c6f");
}

TEST(Golden, Ipv4WithOptions) {
    expect_golden(ethernet /
                      IPv4{.saddr = client.ipv4,
                           .daddr = node_a.ipv4,
                           .id = 7,
                           .dont_fragment = false,
                           .options = from_hex("07070400000000")} /
                      UDP{.sport = 1, .dport = 2} / Payload{"x"},
                  "0218000000210218000000010800470000250007000040117d58c6336407c6120015"
                  "07070400000000000001000200099776 78");
}

TEST(Golden, Ipv4Fragment) {
    expect_golden(ethernet /
                      IPv4{.saddr = client.ipv4,
                           .daddr = vip.ipv4,
                           .id = 77,
                           .dont_fragment = false,
                           .fragment_offset = 1480,
                           .protocol = 17} /
                      Payload{"tail"},
                  "021800000021021800000001080045000018004d00b940111392c6336407cb007102 7461696c");
}

TEST(Golden, Tcp6) {
    expect_golden(ethernet /
                      IPv6{.saddr = client.ipv6,
                           .daddr = vip.ipv6,
                           .hop_limit = 60,
                           .traffic_class = 0x12,
                           .flow_label = 0xabcde} /
                      TCP{.sport = 40001,
                          .dport = 443,
                          .sequence = 0xdeadbeef,
                          .acknowledgement = 7,
                          .flags = PSH | ACK,
                          .window = 512} /
                      Payload{"GET /v1/order"},
                  "02180000002102180000000186dd612abcde0021063c20010db8005100000000000000000007"
                  "20010db802030000000000000000000 29c4101bbdeadbeef0000000750180200d26c0000"
                  "474554202f76312f6f72646572");
}

TEST(Golden, Udp6) {
    expect_golden(ethernet / ipv6 / UDP{.sport = 53, .dport = 53},
                  "02180000002102180000000186dd600000000008114020010db8005100000000000000000007"
                  "20010db8020300000000000000000002003500350008a1a5");
}

TEST(Golden, Ipv6Fragment) {
    expect_golden(ethernet / ipv6 / Fragment6{.more_fragments = true, .id = 9} /
                      UDP{.sport = 53, .dport = 53, .length = 1000, .checksum = 0xabcd} / Payload{"12345678"},
                  "02180000002102180000000186dd6000000000182c4020010db8005100000000000000000007"
                  "20010db802030000000000000000000211000001000000090035003503e8abcd3132333435363738");
}

TEST(Golden, Ipv6HopByHop) {
    expect_golden(
        ethernet / ipv6 / Extension{.kind = 0, .content = from_hex("0104 00000000")} / TCP{.sport = 1, .dport = 2, .acknowledgement = 0},
        "02180000002102180000000186dd60000000001c004020010db8005100000000000000000007"
        "20010db80203000000000000000000020600010400000000"
        "00010002000003e8000000005010ffff4e1b0000");
}

TEST(Golden, Vlan) {
    expect_golden(ethernet / Vlan{.id = 7} / ipv4 / UDP{.sport = 9, .dport = 10},
                  "021800000021021800000001810000070800 4500001c000140004011d492c6336407cb007102"
                  "0009000a0008998d");
}

TEST(Golden, IcmpFragmentationNeeded) {
    const Packet about =
        IPv4{.saddr = node_a.ipv4, .daddr = b1.ipv4, .ttl = 63} / UDP{.sport = 10240, .dport = 8080} / Payload{"abc"};
    expect_golden(ethernet / IPv4{.saddr = router.ipv4, .daddr = node_a.ipv4} /
                      ICMPv4{.type = 3, .code = 4, .rest = 1400} / quote(about),
                  "02180000002102180000000108004500003b000140004001ae86c6120001c6120015"
                  "030485e6000005784500001f000140003f11ad87c6120015c613020b28001f90000b659f616263");
}

TEST(Golden, Icmp6PacketTooBig) {
    const Packet about = IPv6{.saddr = node_a.ipv6, .daddr = b1.ipv6, .hop_limit = 63} /
                         UDP{.sport = 10240, .dport = 8080} / Payload{"abc"};
    expect_golden(
        ethernet / IPv6{.saddr = router.ipv6, .daddr = node_a.ipv6} / ICMPv6{.type = 2, .rest = 1400} / quote(about),
        "02180000002102180000000186dd60000000003b3a4020010db8001800000000000000000001"
        "20010db800180000000000000000002102002b2000000578"
        "60000000000b113f20010db800180000000000000000002120010db800190002000000000000"
        "001128001f90000b980e616263");
}

TEST(Golden, IcmpEcho) {
    expect_golden(ethernet / ipv4 / ICMPv4{.rest = 0x11110002} / Payload{"ping"},
                  "021800000021021800000001080045000020000140004001d49ec6336407cb007102"
                  "0800081c1111000270696e67");
}

// RFC 768: a checksum that comes out as 0 is sent as all ones, because 0 says that there is none.
TEST(Udp, ComputedZeroBecomesAllOnes) {
    const UDP udp{.sport = 53, .dport = 53};
    const Bytes bytes = (ethernet / ipv4 / udp / Payload{Bytes{0, 0}}).build();
    const Bytes missing{bytes[40], bytes[41]};  // what is missing to 0xffff

    EXPECT_EQ((ethernet / ipv4 / udp / Payload{missing}).build()[40], 0xff);
    EXPECT_EQ((ethernet / ipv4 / udp / Payload{missing}).build()[41], 0xff);
    EXPECT_EQ(View((ethernet / ipv4 / udp / Payload{missing}).build()).l4_checksum, Checksum::RIGHT);
}

TEST(View, ReadsWhatTheBuilderWrote) {
    const Bytes bytes = ethernet / Ip{client.ipv6, vip.ipv6, 9} /
                        TCP{.sport = 40001, .dport = 443, .flags = SYN | ACK} / Payload{"hello"};
    const View view(bytes);

    EXPECT_EQ(view.dmac, node_a.mac);
    EXPECT_EQ(view.smac, router.mac);
    EXPECT_EQ(view.saddr, client.ipv6);
    EXPECT_EQ(view.daddr, vip.ipv6);
    EXPECT_EQ(view.ttl, 9);
    EXPECT_TRUE(view.is_whole);
    EXPECT_TRUE(view.has_ports);
    EXPECT_EQ(view.sport, 40001);
    EXPECT_EQ(view.dport, 443);
    EXPECT_EQ(view.tcp_flags, SYN | ACK);
    EXPECT_EQ(view.l4_checksum, Checksum::RIGHT);
    EXPECT_EQ(view.end, bytes.size());
}

TEST(View, SeesEveryChangedBit) {
    const Bytes bytes = ethernet / ipv4 / UDP{.sport = 40001, .dport = 53} / Payload{"hello"};

    for (std::size_t i = 34 * 8; i < bytes.size() * 8; i++) {
        Bytes changed = bytes;
        changed[i / 8] ^= static_cast<std::uint8_t>(1 << i % 8);
        const View view(changed);
        EXPECT_NE(view.l4_checksum, Checksum::RIGHT) << "bit " << i;
        EXPECT_EQ(view.ip_checksum, Checksum::RIGHT);
    }
}

TEST(View, StopsWhereTheFrameEnds) {
    for (const Packet& packet : {ethernet / ipv4 / TCP{}, ethernet / ipv6 / Extension{} / TCP{},
                                 ethernet / ipv4 / UDP{}, ethernet / Vlan{} / ipv6 / UDP{}}) {
        const Bytes bytes = packet.build();
        for (std::size_t size = 0; size < bytes.size(); size++) {
            const View view{std::span(bytes).first(size)};
            EXPECT_FALSE(view.has_ports) << size;
            EXPECT_FALSE(view.is_whole) << size;
        }
        EXPECT_TRUE(View(bytes).has_ports);
    }
}

TEST(View, FragmentsHaveNoPorts) {
    EXPECT_TRUE(View((ethernet / IPv4{.more_fragments = true} / UDP{}).build()).is_fragment);
    EXPECT_FALSE(View((ethernet / IPv4{.more_fragments = true} / UDP{}).build()).has_ports);
    EXPECT_TRUE(View((ethernet / ipv6 / Fragment6{} / UDP{}).build()).is_fragment);
}

TEST(View, PrintsWhatMatters) {
    const std::string text =
        to_string((ethernet / ipv4 / TCP{.sport = 1, .dport = 2, .flags = SYN, .checksum = 1}).build());

    EXPECT_NE(text.find("198.51.100.7 > 203.0.113.2 ttl 64"), std::string::npos) << text;
    EXPECT_NE(text.find("1 > 2 SYN checksum WRONG"), std::string::npos) << text;
}

}  // namespace
}  // namespace shunt::packet
