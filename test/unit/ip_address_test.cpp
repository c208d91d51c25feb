// SPDX-License-Identifier: Apache-2.0
#include "agent/model/ip_address.h"

#include "agent/model/ip_prefix.h"

#include <gtest/gtest.h>

namespace shunt {
namespace {

TEST(IpAddress, Ipv4StandsInTheFirstFourOctets) {
    const auto address = IpAddress::parse("192.0.2.1");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->family, IPV4);
    EXPECT_EQ(address->octets, (std::array<std::uint8_t, 16>{192, 0, 2, 1}));
}

TEST(IpAddress, Ipv6InNetworkOrder) {
    const auto address = IpAddress::parse("2001:db8::1");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->family, IPV6);
    EXPECT_EQ(address->octets, (std::array<std::uint8_t, 16>{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

TEST(IpAddress, TextIsCanonical) {
    const std::pair<const char*, const char*> texts[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"2001:DB8:0:0:0:0:0:40", "2001:db8::40"},
        {"2001:db8:1:0::11", "2001:db8:1::11"},
        {"::", "::"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // RFC 5952, 4.2.2: one zero field is not shortened
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // 4.2.3: the longest run is
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    };
    for (const auto& [text, canonical] : texts) {
        const auto address = IpAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->to_string(), canonical);
        EXPECT_EQ(IpAddress::parse(address->to_string()), address);
    }
}

TEST(IpAddress, MappedAddressStaysIpv6) {
    const auto address = IpAddress::parse("::ffff:192.0.2.1");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->family, IPV6);
    EXPECT_EQ(address->to_string(), "::ffff:192.0.2.1");
    EXPECT_NE(address, IpAddress::parse("192.0.2.1"));
}

TEST(IpAddress, RefusesWhatIsNone) {
    using namespace std::string_view_literals;
    for (const std::string_view text :
         {""sv, " "sv, "192.0.2"sv, "192.0.2.256"sv, "192.0.2.1 "sv, " 192.0.2.1"sv, "192.0.02.1"sv, "010.0.0.1"sv,
          "0x7f.0.0.1"sv, "1"sv, "192.0.2.1/24"sv, "2001:db8:::1"sv, "2001:db8"sv, "fe80::1%eth0"sv, "[::1]"sv, "::1/128"sv,
          "None"sv, "192.0.2.1\0x"sv, "192.0.2.1\0"sv,
          "aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa"sv}) {
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    }
}

TEST(IpPrefix, IsAnAddressAndALength) {
    EXPECT_EQ(IpPrefix::parse("192.0.2.7/24")->to_string(), "192.0.2.0/24") << "bits beyond the length are cleared";
    EXPECT_EQ(IpPrefix::parse("192.0.2.7/30")->to_string(), "192.0.2.4/30");
    EXPECT_EQ(IpPrefix::parse("0.0.0.0/0")->to_string(), "0.0.0.0/0");
    EXPECT_EQ(IpPrefix::parse("2001:db8:ffff::1/33")->to_string(), "2001:db8:8000::/33");
    EXPECT_EQ(IpPrefix::parse("2001:db8::1/128")->to_string(), "2001:db8::1/128");
    for (const char* wrong : {"", "192.0.2.0", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/ 8", "192.0.2.0/8x",
                              "2001:db8::/129", "/8", "192.0.2/24", "anywhere"}) {
        EXPECT_FALSE(IpPrefix::parse(wrong)) << wrong;
    }
}

TEST(IpPrefix, ContainsAddressesOfItsFamily) {
    const IpPrefix four = *IpPrefix::parse("192.0.2.128/25");
    EXPECT_TRUE(four.contains(*IpAddress::parse("192.0.2.255")));
    EXPECT_FALSE(four.contains(*IpAddress::parse("192.0.2.127")));
    EXPECT_FALSE(IpPrefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("2001:db8::1")));
    EXPECT_TRUE(IpPrefix::parse("2001:db8::/32")->contains(*IpAddress::parse("2001:db8:1::1")));
}

}  // namespace
}  // namespace shunt
