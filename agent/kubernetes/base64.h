// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648, section 4), as kubeconfigs carry certificates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shunt {

// Line breaks and blanks are skipped. Nothing if it is no base64.
inline std::optional<std::string> decode_base64(std::string_view text) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    std::size_t number = 0;  // of digits
    std::size_t padding = 0;
    for (const char c : text) {
        if (c == '\n' || c == '\r' || c == ' ' || c == '\t') {
            continue;
        }
        if (c == '=') {
            padding++;
            continue;
        }
        const std::size_t digit = digits.find(c);
        if (digit == digits.npos || padding != 0) {
            return std::nullopt;
        }
        bits = bits << 6 | static_cast<std::uint32_t>(digit);
        if (++number % 4 != 1) {
            const unsigned left = 6 - 2 * static_cast<unsigned>((number - 1) % 4);
            bytes += static_cast<char>(bits >> left & 0xff);
        }
    }
    return (number + padding) % 4 == 0 && padding <= 2 && number % 4 != 1 ? std::optional(bytes) : std::nullopt;
}

}  // namespace shunt
