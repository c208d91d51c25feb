// SPDX-License-Identifier: Apache-2.0
// Layers put together, outermost first, and the bytes that come of it.
#pragma once

#include <concepts>
#include <utility>

#include "test/packet/layer.h"

namespace shunt::packet {

class Packet {
public:
    template <std::convertible_to<Layer> L>
    Packet(const L& layer) : layers_{Layer(layer)} {}

    Packet& operator/=(const Layer& layer) {
        layers_.push_back(layer);
        return *this;
    }

    Bytes build() const;
    operator Bytes() const { return build(); }

private:
    std::vector<Layer> layers_;
};

inline Packet operator/(Packet packet, const Layer& layer) {
    return std::move(packet /= layer);
}

// What an ICMP error quotes: a packet from its IP header on, at most `size` bytes of it.
Payload quote(const Packet& packet, std::size_t size = 576);

}  // namespace shunt::packet
