// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/scene.h"

#include <arpa/inet.h>

namespace shunt::bench {
namespace {

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}

// 15 bits of address, 15 of port. Multiplication by an odd number keeps different numbers different.
constexpr std::uint32_t kHalf = 15;
constexpr std::uint32_t kMask = (1U << kHalf) - 1;

std::uint32_t scatter(std::uint32_t number) {
    return number * 0x2545f491U & ((1U << (2 * kHalf)) - 1);
}

}  // namespace

IpAddress Scene::remote_backend(std::uint32_t index) const {
    return with_last_word(remote_network, htonl(ntohl(last_word(remote_network)) + index));
}

IpAddress Scene::client(std::uint32_t number) const {
    const IpAddress first = address(family == IPV4 ? "198.18.128.0" : "2001:db8:51::");
    return with_last_word(first, htonl(ntohl(last_word(first)) + (scatter(number) & kMask)));
}

std::uint16_t Scene::client_port(std::uint32_t number) const {
    return static_cast<std::uint16_t>(0x8000 + (scatter(number) >> kHalf));
}

const Scene& scene(address_family family) {
    static const Scene ipv4{
        .family = IPV4,
        .node = address("198.18.0.21"),
        .router = address("198.18.0.1"),
        .other_node = address("198.18.0.22"),
        .remote_network = address("198.19.2.0"),
        .link_prefix = 24,
        .remote_prefix = 24,
        .frontend = address("203.0.113.2"),
        .stranger = address("203.0.113.99"),
        .local_backend = address("198.19.1.11"),
    };
    static const Scene ipv6{
        .family = IPV6,
        .node = address("2001:db8:18::21"),
        .router = address("2001:db8:18::1"),
        .other_node = address("2001:db8:18::22"),
        .remote_network = address("2001:db8:19:2::"),
        .link_prefix = 64,
        .remote_prefix = 64,
        .frontend = address("2001:db8:203::2"),
        .stranger = address("2001:db8:203::99"),
        .local_backend = address("2001:db8:19:1::11"),
    };
    return family == IPV4 ? ipv4 : ipv6;
}

}  // namespace shunt::bench
