// SPDX-License-Identifier: Apache-2.0
#include "test/contract/answers.h"

#include <algorithm>

#include "test/packet/checksum.h"
#include "test/packet/frame.h"

namespace shunt::contract {

using packet::Checksum;
using packet::View;

namespace {

constexpr std::uint8_t ICMP = 1, ICMP6 = 58, TCP = 6;

std::uint32_t get(FrameBytes bytes, std::size_t offset, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; i++) {
        value = value << 8 | bytes[offset + i];
    }
    return value;
}

// What all answers have in common: from whom the request was for to whom it came from, over the same link.
std::string fault_of_headers(const View& request, const View& answer) {
    if (answer.dmac != request.smac || answer.smac != request.dmac) {
        return "MAC addresses: " + answer.smac.to_string() + " > " + answer.dmac.to_string();
    }
    if (answer.tags != 0 || answer.ether_type != request.ether_type) {
        return "Ethernet type";
    }
    if (answer.saddr != request.daddr || answer.daddr != request.saddr) {
        return "addresses: " + answer.saddr.to_string() + " > " + answer.daddr.to_string();
    }
    if (!answer.is_whole || answer.is_fragment || answer.has_extension) {
        return "length, fragment or extension";
    }
    if (answer.saddr.version == 4 && answer.ip_checksum != Checksum::RIGHT) {
        return "IPv4 header checksum";
    }
    if (answer.ttl < 32) {
        return "TTL " + std::to_string(answer.ttl) + " may not last for the way";
    }
    if (answer.end != answer.bytes.size()) {
        return std::to_string(answer.bytes.size() - answer.end) + " octets behind the packet";
    }
    return {};
}

FrameBytes l4(const View& view) {
    return view.bytes.subspan(view.l4_offset, view.end - view.l4_offset);
}

bool icmp_checksum_is_right(const View& view) {
    const FrameBytes message = l4(view);
    const std::uint32_t pseudo =
        view.saddr.version == 4
            ? 0
            : packet::pseudo_header_sum(view.saddr, view.daddr, ICMP6, static_cast<std::uint32_t>(message.size()));
    return packet::checksum_fold(packet::checksum_sum(message, pseudo)) == 0xffff;
}

}  // namespace

std::string fault_of_reset(FrameBytes request_frame, FrameBytes answer_frame) {
    const View request(request_frame), answer(answer_frame);
    if (const std::string fault = fault_of_headers(request, answer); !fault.empty()) {
        return fault;
    }
    if (answer.protocol != TCP || !answer.has_ports) {
        return "no TCP";
    }
    if (answer.sport != request.dport || answer.dport != request.sport) {
        return "ports";
    }
    if (answer.l4_checksum != Checksum::RIGHT) {
        return "TCP checksum";
    }
    const FrameBytes segment = l4(answer), syn = l4(request);
    const std::size_t header_size = (segment[12] >> 4) * 4u;
    if (header_size < 20 || segment.size() != header_size) {
        return "a reset carries no data";
    }
    if ((segment[13] & 0x3f) != (packet::RST | packet::ACK)) {
        return "flags " + std::to_string(segment[13]);
    }
    const std::uint32_t data = static_cast<std::uint32_t>(syn.size() - (syn[12] >> 4) * 4u);
    if (get(segment, 4, 4) != 0 || get(segment, 8, 4) != get(syn, 4, 4) + 1 + data) {
        return "sequence " + std::to_string(get(segment, 4, 4)) + ", acknowledges " + std::to_string(get(segment, 8, 4));
    }
    return {};
}

std::string fault_of_unreachable(FrameBytes request_frame, FrameBytes answer_frame) {
    const View request(request_frame), answer(answer_frame);
    if (const std::string fault = fault_of_headers(request, answer); !fault.empty()) {
        return fault;
    }
    const bool is_ipv4 = answer.saddr.version == 4;
    const FrameBytes message = l4(answer);
    if (answer.protocol != (is_ipv4 ? ICMP : ICMP6) || message.size() < 8) {
        return "no ICMP";
    }
    if (message[0] != (is_ipv4 ? 3 : 1) || message[1] != (is_ipv4 ? 3 : 4)) {
        return "type " + std::to_string(message[0]) + ", code " + std::to_string(message[1]);
    }
    if (get(message, 4, 4) != 0) {
        return "the unused word is " + std::to_string(get(message, 4, 4));
    }
    if (!icmp_checksum_is_right(answer)) {
        return "ICMP checksum";
    }
    const FrameBytes quote = message.subspan(8);
    const FrameBytes packet = request.bytes.subspan(request.l3_offset, request.end - request.l3_offset);
    // IPv4: up to 576 octets in all (RFC 1812); IPv6: as much as fits the smallest MTU.
    const std::size_t most = is_ipv4 ? 576 - 28 : 1280 - 48;
    if (quote.size() != std::min(packet.size(), most)) {
        return "quotes " + std::to_string(quote.size()) + " octets of " + std::to_string(packet.size());
    }
    if (!std::ranges::equal(quote, packet.first(quote.size()))) {
        return "does not quote what was sent";
    }
    return {};
}

std::string fault_of_echo_reply(FrameBytes request_frame, FrameBytes answer_frame) {
    const View request(request_frame), answer(answer_frame);
    if (const std::string fault = fault_of_headers(request, answer); !fault.empty()) {
        return fault;
    }
    const bool is_ipv4 = answer.saddr.version == 4;
    const FrameBytes question = l4(request), reply = l4(answer);
    if (answer.protocol != (is_ipv4 ? ICMP : ICMP6) || reply.size() != question.size()) {
        return "no ICMP message of the request's length";
    }
    if (reply[0] != (is_ipv4 ? 0 : 129) || reply[1] != 0) {
        return "type " + std::to_string(reply[0]) + ", code " + std::to_string(reply[1]);
    }
    if (!icmp_checksum_is_right(answer)) {
        return "ICMP checksum";
    }
    if (!std::ranges::equal(reply.subspan(4), question.subspan(4))) {
        return "identifier, sequence number or data differ";
    }
    return {};
}

}  // namespace shunt::contract
