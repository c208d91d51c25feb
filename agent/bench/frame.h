// SPDX-License-Identifier: Apache-2.0
// The frames that are sent through the programs, and what must come out: TCP segments, every checksum computed over all
// bytes. Nothing here is shared with the programs, so that it can judge them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/model/ip_address.h"

namespace shunt::bench {

using Mac = std::array<std::uint8_t, 6>;
using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kAck = 0x10;

struct Tuple {
    IpAddress source, destination;
    std::uint16_t source_port = 0, destination_port = 0;

    bool operator==(const Tuple&) const = default;
};

struct Segment {
    Mac destination{}, source{};  // Ethernet's
    Tuple tuple;
    std::uint8_t ttl = 64;
    std::uint8_t flags = kAck;

    Bytes frame() const;
};

// What a frame of this lay-out says.
Tuple tuple_of(address_family family, std::span<const std::uint8_t> frame);

// "198.51.100.7:1024 > 203.0.113.2:80", and the bytes behind it.
std::string describe(address_family family, std::span<const std::uint8_t> frame);

// Where the parts of a tuple stand in a frame. An address's last word is what varies from flow to flow.
struct FrameOffsets {
    std::uint32_t source_word, destination_word, source_port, destination_port;
};
FrameOffsets frame_offsets(address_family family);

std::uint32_t last_word(const IpAddress& address);  // as it stands in memory: network order
IpAddress with_last_word(IpAddress address, std::uint32_t word);

}  // namespace shunt::bench
