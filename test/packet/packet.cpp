// SPDX-License-Identifier: Apache-2.0
#include "test/packet/packet.h"

#include <algorithm>

#include "test/packet/checksum.h"

namespace shunt::packet {

namespace {

constexpr std::uint8_t NO_NEXT_HEADER = 59;
constexpr std::uint16_t ETHER_TYPE_EXPERIMENT = 0x88b5;

void put8(Bytes& out, std::size_t value) {
    out.push_back(static_cast<std::uint8_t>(value));
}

void put16(Bytes& out, std::size_t value) {
    put8(out, value >> 8);
    put8(out, value);
}

void put32(Bytes& out, std::size_t value) {
    put16(out, value >> 16);
    put16(out, value);
}

void put(Bytes& out, std::span<const std::uint8_t> bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

void set16(Bytes& out, std::size_t offset, std::uint16_t value) {
    out[offset] = static_cast<std::uint8_t>(value >> 8);
    out[offset + 1] = static_cast<std::uint8_t>(value);
}

Bytes filled_up(Bytes bytes, std::size_t multiple) {
    bytes.resize((bytes.size() + multiple - 1) / multiple * multiple);
    return bytes;
}

// What stands around the layer that is being written.
struct Surroundings {
    const Layer* next;     // null: none
    const Layer* network;  // the IP header before it; null: none
    const Bytes& body;     // all that follows, written already

    // Of TCP, UDP and ICMPv6, which cover addresses too.
    std::uint32_t pseudo_header(std::uint8_t protocol, std::size_t header_size) const {
        const auto length = static_cast<std::uint32_t>(header_size + body.size());
        if (network && std::holds_alternative<IPv4>(*network)) {
            const auto& ip = std::get<IPv4>(*network);
            return pseudo_header_sum(ip.saddr, ip.daddr, protocol, length);
        }
        if (network && std::holds_alternative<IPv6>(*network)) {
            const auto& ip = std::get<IPv6>(*network);
            return pseudo_header_sum(ip.saddr, ip.daddr, protocol, length);
        }
        return 0;
    }

    std::uint16_t checksum_of(const Bytes& header, std::uint32_t sum) const {
        return checksum(body, checksum_sum(header, sum));  // headers are of even size
    }
};

std::uint16_t ether_type_of(const Layer* layer) {
    if (!layer) {
        return ETHER_TYPE_EXPERIMENT;
    }
    if (const auto* vlan = std::get_if<Vlan>(layer)) {
        return vlan->tpid;
    }
    return std::holds_alternative<IPv4>(*layer)   ? 0x0800
           : std::holds_alternative<IPv6>(*layer) ? 0x86dd
                                                  : ETHER_TYPE_EXPERIMENT;
}

struct ProtocolOf {
    std::uint8_t operator()(const TCP&) const { return 6; }
    std::uint8_t operator()(const UDP&) const { return 17; }
    std::uint8_t operator()(const ICMPv4&) const { return 1; }
    std::uint8_t operator()(const ICMPv6&) const { return 58; }
    std::uint8_t operator()(const IPv4&) const { return 4; }
    std::uint8_t operator()(const IPv6&) const { return 41; }
    std::uint8_t operator()(const Fragment6&) const { return 44; }
    std::uint8_t operator()(const Extension& extension) const { return extension.kind; }
    std::uint8_t operator()(const auto&) const { return NO_NEXT_HEADER; }
};

std::uint8_t protocol_of(const Layer* layer) {
    return layer ? std::visit(ProtocolOf{}, *layer) : NO_NEXT_HEADER;
}

Bytes header(const Ethernet& ethernet, const Surroundings& around) {
    Bytes out;
    put(out, ethernet.daddr.octets);
    put(out, ethernet.saddr.octets);
    put16(out, ethernet.type.value_or(ether_type_of(around.next)));
    return out;
}

Bytes header(const Vlan& vlan, const Surroundings& around) {
    Bytes out;
    put16(out, vlan.id);
    put16(out, vlan.type.value_or(ether_type_of(around.next)));
    return out;
}

Bytes header(const IPv4& ip, const Surroundings& around) {
    const Bytes options = filled_up(ip.options, 4);
    const std::size_t size = 20 + options.size();
    Bytes out;
    put8(out, ip.version << 4 | ip.header_words.value_or(size / 4));
    put8(out, ip.tos);
    put16(out, ip.total_length.value_or(size + around.body.size()));
    put16(out, ip.id);
    put16(out, ip.dont_fragment << 14 | ip.more_fragments << 13 | ip.fragment_offset / 8);
    put8(out, ip.ttl);
    put8(out, ip.protocol.value_or(protocol_of(around.next)));
    put16(out, 0);
    put(out, ip.saddr.bytes());
    put(out, ip.daddr.bytes());
    put(out, options);
    set16(out, 10, ip.checksum.value_or(checksum(out)));
    return out;
}

Bytes header(const IPv6& ip, const Surroundings& around) {
    Bytes out;
    put32(out, std::uint32_t{ip.version} << 28 | std::uint32_t{ip.traffic_class} << 20 | ip.flow_label);
    put16(out, ip.payload_length.value_or(around.body.size()));
    put8(out, ip.next_header.value_or(protocol_of(around.next)));
    put8(out, ip.hop_limit);
    put(out, ip.saddr.bytes());
    put(out, ip.daddr.bytes());
    return out;
}

Bytes header(const Extension& extension, const Surroundings& around) {
    Bytes out;
    put8(out, extension.next_header.value_or(protocol_of(around.next)));
    put8(out, 0);
    put(out, extension.content);
    out = filled_up(out, 8);
    out[1] = static_cast<std::uint8_t>(out.size() / 8 - 1);
    return out;
}

Bytes header(const Fragment6& fragment, const Surroundings& around) {
    Bytes out;
    put8(out, fragment.next_header.value_or(protocol_of(around.next)));
    put8(out, 0);
    put16(out, fragment.offset | fragment.more_fragments);
    put32(out, fragment.id);
    return out;
}

Bytes header(const TCP& tcp, const Surroundings& around) {
    const Bytes options = filled_up(tcp.options, 4);
    Bytes out;
    put16(out, tcp.sport);
    put16(out, tcp.dport);
    put32(out, tcp.sequence);
    put32(out, tcp.acknowledgement);
    put8(out, tcp.header_words.value_or((20 + options.size()) / 4) << 4);
    put8(out, tcp.flags);
    put16(out, tcp.window);
    put16(out, 0);
    put16(out, tcp.urgent);
    put(out, options);
    set16(out, 16, tcp.checksum.value_or(around.checksum_of(out, around.pseudo_header(6, out.size()))));
    return out;
}

Bytes header(const UDP& udp, const Surroundings& around) {
    Bytes out;
    put16(out, udp.sport);
    put16(out, udp.dport);
    put16(out, udp.length.value_or(8 + around.body.size()));
    put16(out, 0);
    const std::uint16_t sum = around.checksum_of(out, around.pseudo_header(17, out.size()));
    set16(out, 6, udp.checksum.value_or(sum ? sum : 0xffff));  // RFC 768
    return out;
}

template <typename ICMP>
Bytes icmp_header(const ICMP& icmp, const Surroundings& around, std::uint32_t sum) {
    Bytes out;
    put8(out, icmp.type);
    put8(out, icmp.code);
    put16(out, 0);
    put32(out, icmp.rest);
    set16(out, 2, icmp.checksum.value_or(around.checksum_of(out, sum)));
    return out;
}

Bytes header(const ICMPv4& icmp, const Surroundings& around) {
    return icmp_header(icmp, around, 0);
}

Bytes header(const ICMPv6& icmp, const Surroundings& around) {
    return icmp_header(icmp, around, around.pseudo_header(58, 8));
}

Bytes header(const Payload& payload, const Surroundings&) {
    return payload.bytes;
}

}  // namespace

Bytes Packet::build() const {
    Bytes body;
    for (std::size_t i = layers_.size(); i-- > 0;) {
        const Layer* network = nullptr;
        for (std::size_t j = i; j-- > 0 && !network;) {
            if (std::holds_alternative<IPv4>(layers_[j]) || std::holds_alternative<IPv6>(layers_[j])) {
                network = &layers_[j];
            }
        }
        const Surroundings around{i + 1 < layers_.size() ? &layers_[i + 1] : nullptr, network, body};
        Bytes whole = std::visit([&](const auto& layer) { return header(layer, around); }, layers_[i]);
        put(whole, body);
        body = std::move(whole);
    }
    return body;
}

Payload quote(const Packet& packet, std::size_t size) {
    Bytes bytes = packet.build();
    bytes.resize(std::min(bytes.size(), size));
    return Payload{std::move(bytes)};
}

}  // namespace shunt::packet
