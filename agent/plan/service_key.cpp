// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/service_key.h"

#include <algorithm>
#include <span>
#include <string_view>

namespace shunt {
namespace {

std::string text_of(std::span<const char> field) {
    return {field.data(), strnlen(field.data(), field.size())};
}

bool copy_text(std::span<char> field, std::string_view text) {
    if (text.size() >= field.size()) {
        return false;
    }
    text.copy(field.data(), text.size());
    return true;
}

}  // namespace

std::string ServiceKey::to_string() const {
    std::string text = name.name_space + '/' + name.name + ':' + std::to_string(port);
    if (protocol == UDP) {
        text += " udp";
    }
    if (family == IPV6) {
        text += " ipv6";
    }
    return text;
}

ServiceKey service_key(const service& value) {
    return {.name = {.name_space = text_of(value.service_namespace), .name = text_of(value.name)},
            .port = value.port,
            .protocol = value.protocol,
            .family = value.family,
            .port_name = text_of(value.port_name)};
}

std::optional<service> service_value(const ServiceKey& key) {
    service value{};
    if (!copy_text(value.service_namespace, key.name.name_space) || !copy_text(value.name, key.name.name) ||
        !copy_text(value.port_name, key.port_name)) {
        return std::nullopt;
    }
    value.family = key.family;
    value.protocol = key.protocol;
    value.port = key.port;
    return value;
}

frontend_key address_key(const IpAddress& address) {
    frontend_key key{.family = address.family, .protocol = ANY_PROTOCOL};
    std::ranges::copy(address.octets, key.address);
    return key;
}

IpAddress address_of(const frontend_key& key) {
    IpAddress address{.family = key.family};
    std::ranges::copy(key.address, address.octets.begin());
    return address;
}

source_range_key range_key(std::uint32_t service, const IpPrefix& prefix) {
    source_range_key key{.prefix_length = SOURCE_RANGE_BITS + std::uint32_t{prefix.length},
                         .service = service,
                         .family = prefix.address.family};
    std::ranges::copy(prefix.address.octets, key.address);
    return key;
}

IpPrefix prefix_of(const source_range_key& key) {
    IpPrefix prefix{.address = {.family = key.family},
                    .length = static_cast<std::uint8_t>(key.prefix_length - SOURCE_RANGE_BITS)};
    std::ranges::copy(key.address, prefix.address.octets.begin());
    return prefix;
}

}  // namespace shunt
