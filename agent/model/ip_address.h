// SPDX-License-Identifier: Apache-2.0
// An IPv4 or IPv6 address as the maps hold it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "maps/types.h"

namespace shunt {

struct IpAddress {
    address_family family = IPV4;
    std::array<std::uint8_t, ADDRESS_SIZE> octets{};  // IPv4 in the first four, the rest 0

    // Textual forms of inet_pton(3); an IPv4-mapped IPv6 address stays IPv6. Leading zeros in IPv4 are refused.
    static std::optional<IpAddress> parse(std::string_view text);
    std::string to_string() const;  // canonical: RFC 5952 for IPv6

    auto operator<=>(const IpAddress&) const = default;
};

}  // namespace shunt
