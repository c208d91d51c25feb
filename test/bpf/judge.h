// SPDX-License-Identifier: Apache-2.0
// What a forwarder may do to any packet, whatever it is: nothing, or a translation that changes the named fields and
// keeps the rest. Judged by reading both frames afresh.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>

#include "test/packet/actors.h"
#include "test/packet/frame.h"

namespace shunt::test {

class Judge {
public:
    // Translations are to one of the pods, or back to one of the frontends; from elsewhere by one of the nodes.
    Judge(std::set<packet::Bytes> frontends, std::set<packet::Bytes> pods, std::set<packet::Bytes> nodes)
        : frontends_(std::move(frontends)), pods_(std::move(pods)), nodes_(std::move(nodes)) {}

    enum class Out {
        STAYED,  // up the stack, or on as it was going: MAC addresses and TTL stay
        SENT,    // to another node or to the client: TTL less one, any MAC addresses
        ASIDE,   // a local pod's reply to another device: TTL stays, any MAC addresses
    };
    // What is wrong with a translated frame; empty: nothing.
    std::string fault(std::span<const std::uint8_t> before, std::span<const std::uint8_t> after, Out out) const;

private:
    bool is_known_translation(const packet::View& before, const packet::View& after) const;

    std::set<packet::Bytes> frontends_, pods_, nodes_;
};

// An address as the sets above hold it.
inline packet::Bytes address_bytes(const packet::Address& address) {
    return {address.bytes().begin(), address.bytes().end()};
}

}  // namespace shunt::test
