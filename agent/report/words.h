// SPDX-License-Identifier: Apache-2.0
// Map values as words, addresses and figures for people. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/model/ip_address.h"
#include "maps/backend.h"
#include "maps/flow.h"
#include "maps/frontend.h"
#include "maps/service.h"

namespace shunt {

struct AddressPort {
    IpAddress address;
    std::uint16_t port = 0;  // host order

    std::string to_string() const;  // "192.0.2.1:80", "[2001:db8::1]:80"
    auto operator<=>(const AddressPort&) const = default;
};

AddressPort address_port(address_family family, const __u8 (&octets)[ADDRESS_SIZE], std::uint16_t port);
// Of a flow entry: wire order.
AddressPort address_port(__be32 address, __be16 port);
AddressPort address_port(const __be32 (&address)[4], __be16 port);

// As to_string() writes it; port 0 is one. nullopt: it is something else.
std::optional<AddressPort> parse_address_port(std::string_view text);

// "?" for a value that the contract does not know.
std::string_view word(l4_protocol protocol);  // "TCP"
std::string_view word(address_family family);  // "IPv4"
std::string_view word(service_type type);      // "NodePort"
std::string_view word(frontend_kind kind);     // "NodePort"
std::string_view word(traffic_policy policy);  // "Local"
std::string_view word(backend_state state);    // "serving-terminating"
std::string_view word(flow_state state);       // "half-open"

std::string grouped(std::uint64_t number);        // "1,204"
std::string per_second(double rate);              // "1,204/s", "0.4/s"
std::string duration(std::uint64_t seconds);      // "12s", "3m12s", "4h03m", "9d"
std::string milliseconds(std::uint64_t ns);       // "3.1 ms"
std::string percent(std::uint64_t part, std::uint64_t whole);  // "17%", "<1%"

// A NUL-terminated array of a map, which need not have its NUL.
template <std::size_t size>
std::string text_of(const char (&array)[size]) {
    const std::string_view view(array, size);
    return std::string(view.substr(0, view.find('\0')));
}

}  // namespace shunt
