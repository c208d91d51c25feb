// SPDX-License-Identifier: Apache-2.0
#include "agent/model/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>

namespace shunt {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    char terminated[INET6_ADDRSTRLEN];
    // A NUL inside would hide whatever follows it from inet_pton.
    if (text.size() >= sizeof terminated || text.find('\0') != text.npos) {
        return std::nullopt;
    }
    *std::copy(text.begin(), text.end(), terminated) = '\0';

    IpAddress address;
    if (text.find(':') == text.npos) {
        // glibc's inet_pton refuses leading zeros in IPv4, which some read as octal and some as decimal.
        address.family = IPV4;
        return inet_pton(AF_INET, terminated, address.octets.data()) == 1 ? std::optional(address) : std::nullopt;
    }
    address.family = IPV6;
    return inet_pton(AF_INET6, terminated, address.octets.data()) == 1 ? std::optional(address) : std::nullopt;
}

std::string IpAddress::to_string() const {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(family == IPV4 ? AF_INET : AF_INET6, octets.data(), text, sizeof text);
    return text;
}

}  // namespace shunt
