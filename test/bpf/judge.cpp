// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/judge.h"

#include <algorithm>

namespace shunt::test {

using packet::View;

namespace {

bool contains(const std::set<packet::Bytes>& set, const packet::Address& address) {
    return set.contains(address_bytes(address));
}

// The bytes that a translation may change.
class Mask {
public:
    explicit Mask(std::size_t size) : may_change_(size) {}

    void allow(std::size_t offset, std::size_t size) {
        for (std::size_t i = offset; i < offset + size && i < may_change_.size(); i++) {
            may_change_[i] = true;
        }
    }

    // The first byte that changed and may not.
    std::optional<std::size_t> fault(std::span<const std::uint8_t> before, std::span<const std::uint8_t> after) const {
        for (std::size_t i = 0; i < before.size(); i++) {
            if (before[i] != after[i] && !may_change_[i]) {
                return i;
            }
        }
        return std::nullopt;
    }

private:
    std::vector<bool> may_change_;
};

}  // namespace

bool Judge::is_known_translation(const View& before, const View& after) const {
    const bool is_request = contains(frontends_, before.daddr) && contains(pods_, after.daddr) &&
                            (after.saddr == before.saddr || contains(nodes_, after.saddr));
    const bool is_reply = contains(pods_, before.saddr) && contains(frontends_, after.saddr) &&
                          (after.daddr == before.daddr || contains(nodes_, before.daddr));
    return is_request || is_reply;
}

std::string Judge::fault(std::span<const std::uint8_t> before, std::span<const std::uint8_t> after, Out out) const {
    if (before.size() != after.size()) {
        return "the size changed";
    }
    const View was(before), is(after);
    if (was.tags || was.has_extension || was.is_fragment) {
        return "translated a tagged frame, a fragment or one with extension headers";
    }
    if (!was.is_whole || !was.has_ports) {
        return "translated a packet whose length does not hold its headers";
    }
    if (!is.is_whole || !is.has_ports || is.protocol != was.protocol || is.l4_offset != was.l4_offset) {
        return "what came out is no such packet";
    }
    const bool is_ipv4 = was.saddr.version == 4;
    Mask mask(before.size());
    if (out != Out::STAYED) {
        mask.allow(0, 12);
    }
    if (out == Out::SENT) {
        mask.allow(is_ipv4 ? 22 : 21, 1);
        if (is.ttl != was.ttl - 1 || !is.ttl) {
            return "the TTL is not one less";
        }
    }
    if (is_ipv4) {
        mask.allow(24, 2);
    }
    mask.allow(is_ipv4 ? 26 : 22, is_ipv4 ? 8 : 32);
    mask.allow(was.l4_offset, 4);
    mask.allow(was.l4_offset + (was.protocol == 6 ? 16 : 6), 2);
    if (const auto offset = mask.fault(before, after)) {
        return "byte " + std::to_string(*offset) + " changed";
    }
    if (is.ip_checksum != was.ip_checksum) {
        return "the IP checksum's rightness changed";
    }
    if (is.l4_checksum != was.l4_checksum) {
        return "the L4 checksum's rightness changed";
    }
    if (!is_known_translation(was, is)) {
        return "translated to addresses that no flow has";
    }
    return {};
}

}  // namespace shunt::test
