// SPDX-License-Identifier: Apache-2.0
#include "agent/model/ip_prefix.h"

#include <algorithm>
#include <charconv>

namespace shunt {
namespace {

void clear_beyond(IpAddress& address, std::uint8_t length) {
    for (std::size_t i = 0; i < address.octets.size(); i++) {
        const int kept = std::max(0, std::min(8, length - static_cast<int>(8 * i)));
        address.octets[i] &= static_cast<std::uint8_t>(0xff00 >> kept);
    }
}

}  // namespace

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == text.npos) {
        return std::nullopt;
    }
    const auto address = IpAddress::parse(text.substr(0, slash));
    const std::string_view digits = text.substr(slash + 1);
    unsigned length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (!address || error != std::errc() || end != digits.data() + digits.size() ||
        length > (address->family == IPV4 ? 32U : 128U)) {
        return std::nullopt;
    }
    IpPrefix prefix{*address, static_cast<std::uint8_t>(length)};
    clear_beyond(prefix.address, prefix.length);
    return prefix;
}

std::string IpPrefix::to_string() const { return address.to_string() + '/' + std::to_string(length); }

bool IpPrefix::contains(const IpAddress& other) const {
    IpAddress network = other;
    clear_beyond(network, length);
    return network == address;
}

}  // namespace shunt
