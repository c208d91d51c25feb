// SPDX-License-Identifier: Apache-2.0
// Valid frames made odd at random, the same ones for the same seed. Mostly gently, in fields that a forwarder has to
// carry along, so that a good part is still forwarded; the rest in fields it reads, in any byte, or in length.
#pragma once

#include <cstdint>

#include "test/packet/frame.h"

namespace shunt::test {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    // SplitMix64 (Steele, Lea, Flood 2014).
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    std::size_t below(std::size_t bound) { return next() % bound; }

private:
    std::uint64_t state_;
};

// `frame` is Ethernet, an IP header without extensions, and TCP or UDP.
void mutate(packet::Bytes& frame, Random& random);

}  // namespace shunt::test
