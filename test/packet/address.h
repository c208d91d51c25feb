// SPDX-License-Identifier: Apache-2.0
// Addresses as tests write them: "198.51.100.7", "2001:db8:51::7", "02:00:00:00:00:01". A text that is none
// aborts the test program: it is a mistake in the test.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace shunt::packet {

struct Mac {
    std::array<std::uint8_t, 6> octets{};

    Mac() = default;
    Mac(const char* text);  // implicit: Ethernet{.daddr = "02:00:00:00:00:01"}

    std::string to_string() const;
    bool operator==(const Mac&) const = default;
};

struct Address {
    int version = 0;                        // 4 or 6; 0: none
    std::array<std::uint8_t, 16> octets{};  // IPv4 in the first four

    Address() = default;
    Address(const char* text);  // implicit: IPv4{.saddr = "198.51.100.7"}
    Address(int version, std::span<const std::uint8_t> bytes);

    std::span<const std::uint8_t> bytes() const { return {octets.data(), version == 4 ? 4u : 16u}; }
    std::string to_string() const;
    bool operator==(const Address&) const = default;
};

}  // namespace shunt::packet
