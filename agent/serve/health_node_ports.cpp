// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/health_node_ports.h"

#include <fmt/core.h>

namespace shunt {

HttpResponse health_node_port_response(const ObjectName& service, std::size_t local_endpoints, bool is_proxy_healthy) {
    return {
        .status = local_endpoints != 0 && is_proxy_healthy ? 200U : 503U,
        .content_type = "application/json",
        .headers = {{"X-Content-Type-Options", "nosniff"},
                    {"X-Load-Balancing-Endpoint-Weight", std::to_string(local_endpoints)}},
        .body = fmt::format("{{\n\t\"service\": {{\n\t\t\"namespace\": \"{}\",\n\t\t\"name\": \"{}\"\n\t}},\n"
                            "\t\"localEndpoints\": {},\n\t\"serviceProxyHealthy\": {}\n}}",
                            service.name_space, service.name, local_endpoints, is_proxy_healthy),
    };
}

void HealthNodePorts::set_addresses(std::vector<IpAddress> addresses) {
    if (addresses == addresses_) {
        return;
    }
    addresses_ = std::move(addresses);
    for (auto& [service, open] : open_) {
        listen(service, open);
    }
}

void HealthNodePorts::set(const ObjectName& service, const std::optional<LocalEndpoints>& local) {
    if (!local || local->health_port == 0) {
        open_.erase(service);
        return;
    }
    Open& open = open_[service];
    if (open.local.health_port != local->health_port) {
        open.listeners.clear();
    }
    open.local = *local;
    listen(service, open);
}

// Opens what is missing, closes what is too much, and leaves the rest alone.
void HealthNodePorts::listen(const ObjectName& service, Open& open) {
    std::map<IpAddress, HttpListener> kept;
    for (const IpAddress& address : addresses_) {
        const auto family = open.local.ready.find(address.family);
        if (family == open.local.ready.end()) {
            continue;
        }
        if (auto listener = open.listeners.extract(address)) {
            kept.insert(std::move(listener));
            continue;
        }
        const LocalEndpoints& local = open.local;
        kept.try_emplace(address, loop_, AddressPort{address, local.health_port},
                         "healthCheckNodePort of " + service.name_space + '/' + service.name,
                         [this, service, &local, family = address.family](std::string_view) {
                             const auto ready = local.ready.find(family);
                             return health_node_port_response(service, ready == local.ready.end() ? 0 : ready->second,
                                                              is_proxy_healthy_());
                         });
    }
    open.listeners = std::move(kept);
}

std::size_t HealthNodePorts::not_listening() const {
    std::size_t count = 0;
    for (const auto& [service, open] : open_) {
        for (const auto& [address, listener] : open.listeners) {
            count += listener.error().has_value();
        }
    }
    return count;
}

std::optional<Error> HealthNodePorts::error() const {
    for (const auto& [service, open] : open_) {
        for (const auto& [address, listener] : open.listeners) {
            if (listener.error()) {
                return listener.error();
            }
        }
    }
    return std::nullopt;
}

}  // namespace shunt
