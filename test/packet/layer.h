// SPDX-License-Identifier: Apache-2.0
// The layers of a packet as a test writes them, numbers in host order:
//
//     Ethernet{.daddr = router.mac} / IPv4{.saddr = "198.51.100.7", .ttl = 3} / TCP{.dport = 80, .flags = SYN} /
//     Payload{"hi"}
//
// What stands in an optional is worked out if the test does not say it: lengths, checksums, the next layer's number.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "test/packet/address.h"

namespace shunt::packet {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint8_t FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10, URG = 0x20;

struct Ethernet {
    Mac daddr = "02:00:00:00:00:01";
    Mac saddr = "02:00:00:00:00:02";
    std::optional<std::uint16_t> type{};
};

struct Vlan {
    std::uint16_t id = 1;
    std::uint16_t tpid = 0x8100;  // what the layer before calls this one; 0x88a8: a service tag
    std::optional<std::uint16_t> type{};
};

struct IPv4 {
    Address saddr = "0.0.0.0";
    Address daddr = "0.0.0.0";
    std::uint8_t ttl = 64;
    std::uint8_t tos = 0;
    std::uint16_t id = 1;
    bool dont_fragment = true;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  // bytes, a multiple of 8
    Bytes options{};                    // filled up to a multiple of 4 with End of Options
    std::uint8_t version = 4;
    std::optional<std::uint8_t> header_words{};
    std::optional<std::uint16_t> total_length{};
    std::optional<std::uint8_t> protocol{};
    std::optional<std::uint16_t> checksum{};
};

struct IPv6 {
    Address saddr = "::";
    Address daddr = "::";
    std::uint8_t hop_limit = 64;
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0;
    std::uint8_t version = 6;
    std::optional<std::uint16_t> payload_length{};
    std::optional<std::uint8_t> next_header{};
};

// Hop-by-hop options (0), routing (43) or destination options (60); RFC 8200 section 4.
struct Extension {
    std::uint8_t kind = 60;
    Bytes content{};  // behind the length byte; filled up with Pad1 to a multiple of 8
    std::optional<std::uint8_t> next_header{};
};

struct Fragment6 {
    std::uint16_t offset = 0;  // bytes, a multiple of 8
    bool more_fragments = false;
    std::uint32_t id = 1;
    std::optional<std::uint8_t> next_header{};
};

struct TCP {
    std::uint16_t sport = 0;
    std::uint16_t dport = 0;
    std::uint32_t sequence = 1000;
    std::uint32_t acknowledgement = 1001;  // the other side begins at 1000 too
    std::uint8_t flags = ACK;
    std::uint16_t window = 65535;
    std::uint16_t urgent = 0;
    Bytes options{};  // filled up to a multiple of 4 with End of Options
    std::optional<std::uint8_t> header_words{};
    std::optional<std::uint16_t> checksum{};
};

struct UDP {
    std::uint16_t sport = 0;
    std::uint16_t dport = 0;
    std::optional<std::uint16_t> length{};
    std::optional<std::uint16_t> checksum{};  // 0: the sender made none
};

// An ICMP message up to the packet it quotes, or an echo. `rest` is the header's second word: the next hop's MTU
// in its low half for fragmentation needed, all of it for packet too big; id and sequence for an echo.
struct ICMPv4 {
    std::uint8_t type = 8;
    std::uint8_t code = 0;
    std::uint32_t rest = 0;
    std::optional<std::uint16_t> checksum{};
};

struct ICMPv6 {
    std::uint8_t type = 128;
    std::uint8_t code = 0;
    std::uint32_t rest = 0;
    std::optional<std::uint16_t> checksum{};
};

struct Payload {
    Bytes bytes{};

    Payload() = default;
    explicit Payload(Bytes bytes) : bytes(std::move(bytes)) {}
    explicit Payload(std::string_view text) : bytes(text.begin(), text.end()) {}
    explicit Payload(const char* text) : Payload(std::string_view(text)) {}
};

using Layer = std::variant<Ethernet, Vlan, IPv4, IPv6, Extension, Fragment6, TCP, UDP, ICMPv4, ICMPv6, Payload>;

// IPv4 or IPv6, as the addresses say: for tests that run for both.
struct Ip {
    Address saddr{};
    Address daddr{};
    std::uint8_t ttl = 64;

    operator Layer() const {
        return saddr.version == 4 ? Layer(IPv4{.saddr = saddr, .daddr = daddr, .ttl = ttl})
                                  : Layer(IPv6{.saddr = saddr, .daddr = daddr, .hop_limit = ttl});
    }
};

}  // namespace shunt::packet
