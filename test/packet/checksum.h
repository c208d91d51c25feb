// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071) as the RFC describes it: a sum over all bytes. Never incremental: it is what
// the programs' incremental sums are judged by.
#pragma once

#include <cstdint>
#include <span>

#include "test/packet/address.h"

namespace shunt::packet {

// One's complement sum of 16-bit words, not folded; an odd last byte counts as the high half of a word.
std::uint32_t checksum_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0);

// The sum of the pseudo-header: RFC 9293 section 3.1, RFC 8200 section 8.1.
std::uint32_t pseudo_header_sum(const Address& saddr, const Address& daddr, std::uint8_t protocol,
                                std::uint32_t length);

// Folds a sum to 16 bits. 0xffff over bytes that hold their own checksum: it is right.
std::uint16_t checksum_fold(std::uint32_t sum);

// The checksum field's value for bytes whose own field is 0.
inline std::uint16_t checksum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0) {
    return static_cast<std::uint16_t>(~checksum_fold(checksum_sum(bytes, sum)));
}

}  // namespace shunt::packet
