// SPDX-License-Identifier: Apache-2.0
#include "agent/model/ip_address.h"

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

}  // namespace
}  // namespace shunt
