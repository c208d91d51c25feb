// SPDX-License-Identifier: Apache-2.0
#include "agent/report/words.h"

#include <arpa/inet.h>

#include <cmath>
#include <cstdio>
#include <cstring>

#include "agent/support/number.h"

namespace shunt {

std::string AddressPort::to_string() const {
    const std::string text = address.to_string();
    return (address.family == IPV6 ? '[' + text + ']' : text) + ':' + std::to_string(port);
}

AddressPort address_port(address_family family, const __u8 (&octets)[ADDRESS_SIZE], std::uint16_t port) {
    AddressPort result{.address = {.family = family}, .port = port};
    std::memcpy(result.address.octets.data(), octets, family == IPV4 ? 4 : ADDRESS_SIZE);
    return result;
}

AddressPort address_port(__be32 address, __be16 port) {
    AddressPort result{.address = {.family = IPV4}, .port = ntohs(port)};
    std::memcpy(result.address.octets.data(), &address, sizeof(address));
    return result;
}

AddressPort address_port(const __be32 (&address)[4], __be16 port) {
    AddressPort result{.address = {.family = IPV6}, .port = ntohs(port)};
    std::memcpy(result.address.octets.data(), &address, sizeof(address));
    return result;
}

std::optional<AddressPort> parse_address_port(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
    std::string_view address = text.substr(0, colon);
    const bool has_brackets = address.starts_with('[') && address.ends_with(']');
    if (has_brackets) {
        address = address.substr(1, address.size() - 2);
    }
    const auto parsed = IpAddress::parse(address);
    if (!port || !parsed || (parsed->family == IPV6) != has_brackets) {
        return std::nullopt;
    }
    return AddressPort{.address = *parsed, .port = *port};
}

std::string_view word(l4_protocol protocol) { return protocol == TCP ? "TCP" : protocol == UDP ? "UDP" : "?"; }

std::string_view word(address_family family) { return family == IPV4 ? "IPv4" : family == IPV6 ? "IPv6" : "?"; }

std::string_view word(service_type type) {
    switch (type) {
        case SERVICE_CLUSTER_IP:
            return "ClusterIP";
        case SERVICE_NODE_PORT:
            return "NodePort";
        case SERVICE_LOAD_BALANCER:
            return "LoadBalancer";
    }
    return "?";
}

std::string_view word(frontend_kind kind) {
    switch (kind) {
        case FRONTEND_NODE_PORT:
            return "NodePort";
        case FRONTEND_LOAD_BALANCER:
            return "LoadBalancer";
        case FRONTEND_EXTERNAL_IP:
            return "ExternalIP";
        case FRONTEND_ADDRESS:
            return "Address";
    }
    return "?";
}

std::string_view word(traffic_policy policy) {
    return policy == POLICY_LOCAL ? "Local" : policy == POLICY_CLUSTER ? "Cluster" : "?";
}

std::string_view word(backend_state state) {
    switch (state) {
        case BACKEND_READY:
            return "ready";
        case BACKEND_SERVING_TERMINATING:
            return "serving-terminating";
        case BACKEND_TERMINATING:
            return "terminating";
        case BACKEND_NOT_READY:
            return "not-ready";
    }
    return "?";
}

std::string_view word(flow_state state) {
    switch (state) {
        case FLOW_HALF_OPEN:
            return "half-open";
        case FLOW_REPLIED:
            return "replied";
        case FLOW_ESTABLISHED:
            return "established";
        case FLOW_CLOSING:
            return "closing";
    }
    return "?";
}

std::string grouped(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3;) {
        at -= 3;
        text.insert(at, 1, ',');
    }
    return text;
}

std::string per_second(double rate) {
    if (rate > 0 && rate < 10) {
        char text[32];
        std::snprintf(text, sizeof(text), "%.1f/s", rate);
        return text;
    }
    return grouped(static_cast<std::uint64_t>(std::llround(rate))) + "/s";
}

std::string duration(std::uint64_t seconds) {
    char text[48];
    if (seconds < 60) {
        std::snprintf(text, sizeof(text), "%us", static_cast<unsigned>(seconds));
    } else if (seconds < 3600) {
        std::snprintf(text, sizeof(text), "%um%02us", static_cast<unsigned>(seconds / 60), static_cast<unsigned>(seconds % 60));
    } else if (seconds < 86400) {
        std::snprintf(text, sizeof(text), "%uh%02um", static_cast<unsigned>(seconds / 3600),
                      static_cast<unsigned>(seconds / 60 % 60));
    } else {
        std::snprintf(text, sizeof(text), "%llud", static_cast<unsigned long long>(seconds / 86400));
    }
    return text;
}

std::string milliseconds(std::uint64_t ns) {
    char text[48];
    std::snprintf(text, sizeof(text), "%.1f ms", static_cast<double>(ns) / 1e6);
    return text;
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
    if (part == 0 || whole == 0) {
        return "0%";
    }
    const std::uint64_t value = part * 100 / whole;
    return value == 0 ? "<1%" : std::to_string(value) + '%';
}

}  // namespace shunt
