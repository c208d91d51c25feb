// SPDX-License-Identifier: Apache-2.0
#include "test/packet/checksum.h"

namespace shunt::packet {

std::uint32_t checksum_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum) {
    const std::size_t even = bytes.size() & ~std::size_t{1};

    for (std::size_t i = 0; i < even; i += 2) {
        sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    }
    if (bytes.size() & 1) {
        sum += static_cast<std::uint32_t>(bytes[even] << 8);
    }
    return sum;
}

std::uint32_t pseudo_header_sum(const Address& saddr, const Address& daddr, std::uint8_t protocol,
                                std::uint32_t length) {
    std::uint32_t sum = checksum_sum(saddr.bytes());

    sum = checksum_sum(daddr.bytes(), sum);
    return sum + protocol + (length >> 16) + (length & 0xffff);
}

std::uint16_t checksum_fold(std::uint32_t sum) {
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(sum);
}

}  // namespace shunt::packet
