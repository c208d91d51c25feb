// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/mutator.h"

namespace shunt::test {

namespace {

using packet::Bytes;

// Where things are in a frame that is still valid.
struct Places {
    bool is_ipv4;
    bool is_tcp;
    std::size_t l4;
    std::size_t payload;

    explicit Places(const Bytes& frame)
        : is_ipv4(frame[12] == 0x08),
          is_tcp(frame[is_ipv4 ? 23 : 20] == 6),
          l4(is_ipv4 ? 14 + (frame[14] & 0xfu) * 4 : 54),
          payload(l4 + (is_tcp ? 20 : 8)) {}
};

void set_any(Bytes& frame, std::size_t offset, std::size_t size, Random& random) {
    for (std::size_t i = offset; i < offset + size && i < frame.size(); i++) {
        frame[i] = static_cast<std::uint8_t>(random.next());
    }
}

void flip_bit(Bytes& frame, std::size_t offset, Random& random) {
    if (offset < frame.size()) {
        frame[offset] ^= static_cast<std::uint8_t>(1u << random.below(8));
    }
}

// Fields that are carried along, or changed in a known way.
void mutate_gently(Bytes& frame, const Places& at, Random& random) {
    switch (random.below(12)) {
        case 0:  // MAC addresses
            return set_any(frame, random.below(12), 1, random);
        case 1:  // type of service; traffic class and flow label
            return at.is_ipv4 ? set_any(frame, 15, 1, random) : set_any(frame, 15, 3, random);
        case 2:  // identification
            return at.is_ipv4 ? set_any(frame, 18, 2, random) : set_any(frame, 16, 2, random);
        case 3:  // TTL
            return set_any(frame, at.is_ipv4 ? 22 : 21, 1, random);
        case 4:  // a checksum that is wrong
            return set_any(frame, at.is_ipv4 ? 24 : at.l4 + (at.is_tcp ? 16 : 6), 2, random);
        case 5:
            return set_any(frame, at.l4 + (at.is_tcp ? 16 : 6), 2, random);
        case 6:  // sequence numbers; UDP's length
            return at.is_tcp ? set_any(frame, at.l4 + 4, 8, random) : set_any(frame, at.l4 + 4, 2, random);
        case 7:  // window and urgent pointer
            return set_any(frame, at.is_tcp ? at.l4 + 14 : at.payload, 2, random);
        case 8:  // UDP without a checksum
            if (!at.is_tcp) {
                frame[at.l4 + 6] = frame[at.l4 + 7] = 0;
            }
            return;
        case 9:  // Ethernet padding
            frame.resize(frame.size() + 1 + random.below(20), static_cast<std::uint8_t>(random.next()));
            return;
        default:  // payload
            return set_any(frame, at.payload + random.below(16), 1 + random.below(4), random);
    }
}

// Fields that decide.
void mutate_field(Bytes& frame, const Places& at, Random& random) {
    switch (random.below(10)) {
        case 0:  // EtherType
            return set_any(frame, 12 + random.below(2), 1, random);
        case 1:  // version and header length
            return set_any(frame, 14, 1, random);
        case 2:  // length
            return set_any(frame, (at.is_ipv4 ? 16 : 18) + random.below(2), 1, random);
        case 3:  // fragment field; flow label
            return set_any(frame, at.is_ipv4 ? 20 : 16, 2, random);
        case 4:  // protocol, next header
            frame[at.is_ipv4 ? 23 : 20] = static_cast<std::uint8_t>(random.below(2) ? random.below(64) : random.next());
            return;
        case 5:  // an address
            return flip_bit(frame, (at.is_ipv4 ? 26 : 22) + random.below(at.is_ipv4 ? 8 : 32), random);
        case 6:  // a port
            return flip_bit(frame, at.l4 + random.below(4), random);
        case 7:  // the data offset
            return set_any(frame, at.l4 + 12, 1, random);
        default:  // flags
            return set_any(frame, at.l4 + 13, 1, random);
    }
}

void mutate_length(Bytes& frame, Random& random) {
    if (random.below(2)) {
        frame.resize(14 + random.below(frame.size() - 13));
    } else {
        const std::size_t before = frame.size();
        frame.resize(before + random.below(64));
        set_any(frame, before, frame.size() - before, random);
    }
}

}  // namespace

void mutate(Bytes& frame, Random& random) {
    const Places at(frame);
    const std::size_t kind = random.below(100);
    const std::size_t times = 1 + random.below(3);
    if (kind < 40) {
        for (std::size_t i = 0; i < times; i++) {
            mutate_gently(frame, at, random);
        }
    } else if (kind < 70) {
        mutate_field(frame, at, random);
    } else if (kind < 90) {
        for (std::size_t i = 0; i < times; i++) {
            flip_bit(frame, random.below(frame.size()), random);
        }
    } else {
        mutate_length(frame, random);
    }
}

}  // namespace shunt::test
