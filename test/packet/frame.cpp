// SPDX-License-Identifier: Apache-2.0
#include "test/packet/frame.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ostream>

#include "test/packet/checksum.h"

namespace shunt::packet {

namespace {

std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t offset) {
    return static_cast<std::uint16_t>(bytes[offset] << 8 | bytes[offset + 1]);
}

Checksum judge(std::uint32_t sum) {
    return checksum_fold(sum) == 0xffff ? Checksum::RIGHT : Checksum::WRONG;
}

}  // namespace

View::View(std::span<const std::uint8_t> frame) : bytes(frame) {
    if (bytes.size() < 14) {
        return;
    }
    std::copy_n(bytes.begin(), 6, dmac.octets.begin());
    std::copy_n(bytes.begin() + 6, 6, smac.octets.begin());
    l3_offset = 14;
    ether_type = get16(bytes, 12);
    while ((ether_type == 0x8100 || ether_type == 0x88a8) && bytes.size() >= l3_offset + 4) {
        ether_type = get16(bytes, l3_offset + 2);
        l3_offset += 4;
        tags++;
    }
    if (ether_type == 0x0800) {
        read_ipv4();
    } else if (ether_type == 0x86dd) {
        read_ipv6();
    }
}

void View::read_ipv4() {
    const auto ip = bytes.subspan(l3_offset);
    if (ip.size() < 20 || ip[0] >> 4 != 4) {
        return;
    }
    const std::size_t header_size = (ip[0] & 0xf) * 4u;
    const std::size_t total = get16(ip, 2);
    saddr = Address(4, ip.subspan(12));
    daddr = Address(4, ip.subspan(16));
    ttl = ip[8];
    protocol = ip[9];
    is_fragment = get16(ip, 6) & 0x3fff;
    is_whole = header_size >= 20 && total >= header_size && total <= ip.size();
    if (header_size < 20 || header_size > ip.size()) {
        return;
    }
    ip_checksum = judge(checksum_sum(ip.first(header_size)));
    l4_offset = l3_offset + header_size;
    end = l3_offset + total;
    if (is_whole && !is_fragment) {
        read_l4();
    }
}

void View::read_ipv6() {
    const auto ip = bytes.subspan(l3_offset);
    if (ip.size() < 40 || ip[0] >> 4 != 6) {
        return;
    }
    saddr = Address(6, ip.subspan(8));
    daddr = Address(6, ip.subspan(24));
    ttl = ip[7];
    protocol = ip[6];
    l4_offset = l3_offset + 40;
    end = l4_offset + get16(ip, 4);
    is_whole = end <= bytes.size();
    while (is_whole && (protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60) && l4_offset + 8 <= end) {
        has_extension = true;
        is_fragment |= protocol == 44;
        const std::size_t size = protocol == 44 ? 8u : (bytes[l4_offset + 1] + 1u) * 8;
        protocol = bytes[l4_offset];
        l4_offset += size;
    }
    is_whole = is_whole && l4_offset <= end;
    if (is_whole && !is_fragment) {
        read_l4();
    }
}

void View::read_l4() {
    const auto l4 = bytes.subspan(l4_offset, end - l4_offset);
    const std::uint32_t sum =
        checksum_sum(l4, pseudo_header_sum(saddr, daddr, protocol, static_cast<std::uint32_t>(l4.size())));
    if (protocol == 6 && l4.size() >= 20) {
        tcp_flags = l4[13];
        l4_checksum = judge(sum);
    } else if (protocol == 17 && l4.size() >= 8) {
        l4_checksum = get16(l4, 6) ? judge(sum) : Checksum::NONE;
    } else {
        return;
    }
    has_ports = true;
    sport = get16(l4, 0);
    dport = get16(l4, 2);
}

namespace {

const char* name(Checksum checksum) {
    return checksum == Checksum::RIGHT ? "right" : checksum == Checksum::WRONG ? "WRONG" : "none";
}

std::string flag_names(std::uint8_t flags) {
    static constexpr const char* names[] = {" FIN", " SYN", " RST", " PSH", " ACK", " URG", " ECE", " CWR"};
    std::string text;
    for (int bit = 0; bit < 8; bit++) {
        if (flags >> bit & 1) {
            text += names[bit];
        }
    }
    return text;
}

std::string hex_dump(std::span<const std::uint8_t> bytes) {
    std::string text;
    char piece[16];
    for (std::size_t i = 0; i < bytes.size(); i++) {
        if (i % 16 == 0) {
            std::snprintf(piece, sizeof(piece), "\n  %04zx ", i & 0xffff);
            text += piece;
        }
        std::snprintf(piece, sizeof(piece), i % 2 ? "%02x" : " %02x", bytes[i]);
        text += piece;
    }
    return text;
}

}  // namespace

std::string to_string(std::span<const std::uint8_t> frame) {
    const View view(frame);
    char text[64];
    std::string line =
        std::to_string(frame.size()) + " bytes: " + view.smac.to_string() + " > " + view.dmac.to_string();
    std::snprintf(text, sizeof(text), "%s type %04x", view.tags ? " tagged" : "", view.ether_type);
    line += text;
    if (view.saddr.version) {
        line += " | " + view.saddr.to_string() + " > " + view.daddr.to_string();
        std::snprintf(text, sizeof(text), " ttl %u protocol %u%s%s", view.ttl, view.protocol,
                      view.is_fragment ? " fragment" : "", view.is_whole ? "" : " LENGTH WRONG");
        line += text;
        line += std::string(" checksum ") + name(view.ip_checksum);
    }
    if (view.has_ports) {
        std::snprintf(text, sizeof(text), " | %u > %u%s checksum %s", view.sport, view.dport,
                      flag_names(view.tcp_flags).c_str(), name(view.l4_checksum));
        line += text;
    }
    return line + hex_dump(frame);
}

std::ostream& operator<<(std::ostream& out, const Frame& frame) {
    return out << to_string(frame.bytes);
}

Bytes from_hex(std::string_view text) {
    Bytes bytes;
    std::string digits;
    std::copy_if(text.begin(), text.end(), std::back_inserter(digits), [](char c) { return c != ' ' && c != '\n'; });
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16)));
    }
    return bytes;
}

}  // namespace shunt::packet
