// SPDX-License-Identifier: Apache-2.0
// A network in CIDR notation.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/model/ip_address.h"

namespace shunt {

struct IpPrefix {
    IpAddress address;        // bits beyond the length are 0
    std::uint8_t length = 0;  // up to 32 or 128

    // "192.0.2.0/24", "2001:db8::/32". Bits beyond the length may be set, and are cleared; an address without a length is
    // none.
    static std::optional<IpPrefix> parse(std::string_view text);
    std::string to_string() const;

    bool contains(const IpAddress& other) const;

    auto operator<=>(const IpPrefix&) const = default;
};

}  // namespace shunt
