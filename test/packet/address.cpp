// SPDX-License-Identifier: Apache-2.0
#include "test/packet/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace shunt::packet {

namespace {

[[noreturn]] void refuse(const char* text) {
    std::fprintf(stderr, "not an address: %s\n", text);
    std::abort();
}

}  // namespace

Mac::Mac(const char* text) {
    unsigned value[6];
    if (std::sscanf(text, "%x:%x:%x:%x:%x:%x", &value[0], &value[1], &value[2], &value[3], &value[4], &value[5]) != 6) {
        refuse(text);
    }
    std::copy(std::begin(value), std::end(value), octets.begin());
}

std::string Mac::to_string() const {
    char text[18];
    std::snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2], octets[3],
                  octets[4], octets[5]);
    return text;
}

Address::Address(const char* text) : version(std::strchr(text, ':') ? 6 : 4) {
    if (inet_pton(version == 4 ? AF_INET : AF_INET6, text, octets.data()) != 1) {
        refuse(text);
    }
}

Address::Address(int version, std::span<const std::uint8_t> bytes) : version(version) {
    std::copy_n(bytes.begin(), version == 4 ? 4 : 16, octets.begin());
}

std::string Address::to_string() const {
    char text[INET6_ADDRSTRLEN];
    if (!version) {
        return "none";
    }
    return inet_ntop(version == 4 ? AF_INET : AF_INET6, octets.data(), text, sizeof(text));
}

}  // namespace shunt::packet
