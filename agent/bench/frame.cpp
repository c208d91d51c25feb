// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/frame.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "agent/report/words.h"
#include "bpf/bench.h"

namespace shunt::bench {
namespace {

constexpr std::size_t kEthernet = 14;
constexpr std::size_t kIpv4 = 20;
constexpr std::size_t kIpv6 = 40;
constexpr std::size_t kTcp = 20;
constexpr std::uint8_t kTcpProtocol = 6;

std::size_t address_size(address_family family) {
    return family == IPV4 ? 4 : ADDRESS_SIZE;
}

std::size_t l4_offset(address_family family) {
    return kEthernet + (family == IPV4 ? kIpv4 : kIpv6);
}

std::size_t source_offset(address_family family) {
    return kEthernet + (family == IPV4 ? 12 : 8);
}

void put16(Bytes& bytes, std::size_t offset, std::size_t value) {
    bytes[offset] = static_cast<std::uint8_t>(value >> 8);
    bytes[offset + 1] = static_cast<std::uint8_t>(value);
}

std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t offset) {
    return static_cast<std::uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

// RFC 1071, over all bytes (their number is even here).
std::uint16_t checksum(std::span<const std::uint8_t> bytes, std::uint64_t sum = 0) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        sum += get16(bytes, i);
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(~sum);
}

void put_ip(Bytes& frame, const Segment& segment) {
    const address_family family = segment.tuple.source.family;
    const std::span ip = std::span(frame).subspan(kEthernet);
    const std::size_t size = address_size(family);
    const std::size_t source = source_offset(family) - kEthernet;
    if (family == IPV4) {
        ip[0] = 0x45;
        put16(frame, kEthernet + 2, ip.size());
        ip[6] = 0x40;  // don't fragment
        ip[8] = segment.ttl;
        ip[9] = kTcpProtocol;
    } else {
        ip[0] = 0x60;
        put16(frame, kEthernet + 4, ip.size() - kIpv6);
        ip[6] = kTcpProtocol;
        ip[7] = segment.ttl;
    }
    std::copy_n(segment.tuple.source.octets.begin(), size, ip.begin() + static_cast<std::ptrdiff_t>(source));
    std::copy_n(segment.tuple.destination.octets.begin(), size,
                ip.begin() + static_cast<std::ptrdiff_t>(source + size));
    if (family == IPV4) {
        put16(frame, kEthernet + 10, checksum(ip.first(kIpv4)));
    }
}

void put_tcp(Bytes& frame, const Segment& segment) {
    const address_family family = segment.tuple.source.family;
    const std::size_t at = l4_offset(family);
    put16(frame, at, segment.tuple.source_port);
    put16(frame, at + 2, segment.tuple.destination_port);
    put16(frame, at + 6, 1000);  // sequence number
    frame[at + 12] = kTcp / 4 << 4;
    frame[at + 13] = segment.flags;
    put16(frame, at + 14, 65535);  // window
    const auto addresses = std::span(frame).subspan(source_offset(family), 2 * address_size(family));
    const std::size_t length = frame.size() - at;
    // The pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1): addresses, protocol, length.
    const std::uint64_t pseudo =
        std::uint64_t{static_cast<std::uint16_t>(~checksum(addresses))} + kTcpProtocol + length;
    put16(frame, at + 16, checksum(std::span(frame).subspan(at), pseudo));
}

}  // namespace

Bytes Segment::frame() const {
    Bytes bytes(tuple.source.family == IPV4 ? BENCH_FRAME4_SIZE : BENCH_FRAME6_SIZE);
    std::copy(destination.begin(), destination.end(), bytes.begin());
    std::copy(source.begin(), source.end(), bytes.begin() + 6);
    put16(bytes, 12, tuple.source.family == IPV4 ? 0x0800 : 0x86dd);
    put_ip(bytes, *this);
    put_tcp(bytes, *this);
    return bytes;
}

Tuple tuple_of(address_family family, std::span<const std::uint8_t> frame) {
    Tuple tuple{.source = {.family = family}, .destination = {.family = family}};
    const std::size_t size = address_size(family);
    const std::size_t at = l4_offset(family);
    if (frame.size() < at + kTcp) {
        return tuple;
    }
    const auto addresses = frame.subspan(source_offset(family));
    std::copy_n(addresses.begin(), size, tuple.source.octets.begin());
    std::copy_n(addresses.begin() + static_cast<std::ptrdiff_t>(size), size, tuple.destination.octets.begin());
    tuple.source_port = get16(frame, at);
    tuple.destination_port = get16(frame, at + 2);
    return tuple;
}

std::string describe(address_family family, std::span<const std::uint8_t> frame) {
    const Tuple tuple = tuple_of(family, frame);
    std::string text = AddressPort{tuple.source, tuple.source_port}.to_string() + " > " +
                       AddressPort{tuple.destination, tuple.destination_port}.to_string() + " (";
    for (const std::uint8_t byte : frame) {
        char hex[3];
        std::snprintf(hex, sizeof(hex), "%02x", byte);
        text += hex;
    }
    return text + ")";
}

FrameOffsets frame_offsets(address_family family) {
    const auto source = static_cast<std::uint32_t>(source_offset(family));
    const auto size = static_cast<std::uint32_t>(address_size(family));
    const auto l4 = static_cast<std::uint32_t>(l4_offset(family));
    return {.source_word = source + size - 4,
            .destination_word = source + 2 * size - 4,
            .source_port = l4,
            .destination_port = l4 + 2};
}

std::uint32_t last_word(const IpAddress& address) {
    std::uint32_t word = 0;
    std::memcpy(&word, address.octets.data() + address_size(address.family) - sizeof(word), sizeof(word));
    return word;
}

IpAddress with_last_word(IpAddress address, std::uint32_t word) {
    std::memcpy(address.octets.data() + address_size(address.family) - sizeof(word), &word, sizeof(word));
    return address;
}

}  // namespace shunt::bench
