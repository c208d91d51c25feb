// SPDX-License-Identifier: Apache-2.0
// Bytes read back: what a frame says, found by a parser that shares nothing with the programs'.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "test/packet/packet.h"

namespace shunt::packet {

enum class Checksum {
    NONE,  // UDP without a checksum, or not enough bytes to tell
    RIGHT,
    WRONG,
};

// A look at bytes that somebody else owns. Fields behind the point where the frame ends or stops making sense keep
// their defaults.
struct View {
    explicit View(std::span<const std::uint8_t> frame);

    std::span<const std::uint8_t> bytes;

    Mac dmac, smac;
    std::uint16_t ether_type = 0;  // behind VLAN tags
    std::size_t tags = 0;

    Address saddr, daddr;  // version 0: no whole IP header
    std::uint8_t ttl = 0;
    std::uint8_t protocol = 0;  // behind extension headers
    bool has_extension = false;
    bool is_fragment = false;
    bool is_whole = false;  // its length field agrees with its headers and fits the frame
    Checksum ip_checksum = Checksum::NONE;
    std::size_t l3_offset = 0;
    std::size_t l4_offset = 0;
    std::size_t end = 0;  // where the IP packet ends; Ethernet padding may follow

    bool has_ports = false;  // a whole TCP or UDP header lies within the IP packet
    std::uint16_t sport = 0, dport = 0;
    std::uint8_t tcp_flags = 0;
    Checksum l4_checksum = Checksum::NONE;

private:
    void read_ipv4();
    void read_ipv6();
    void read_l4();
};

// A frame to compare and, when the comparison fails, to read.
struct Frame {
    Bytes bytes;

    Frame() = default;
    Frame(Bytes bytes) : bytes(std::move(bytes)) {}
    Frame(const Packet& packet) : bytes(packet.build()) {}

    bool operator==(const Frame&) const = default;
};

// One line of meaning, and the bytes in hexadecimal below it.
std::string to_string(std::span<const std::uint8_t> frame);
std::ostream& operator<<(std::ostream& out, const Frame& frame);  // GoogleTest prints with it

// "0200 0000 0001 …", blanks ignored.
Bytes from_hex(std::string_view text);

}  // namespace shunt::packet
