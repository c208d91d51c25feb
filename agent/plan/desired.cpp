// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/desired.h"

#include <algorithm>
#include <utility>

namespace shunt {
namespace {

service_type map_type(ServiceType type) {
    switch (type) {
        case ServiceType::node_port:
            return SERVICE_NODE_PORT;
        case ServiceType::load_balancer:
            return SERVICE_LOAD_BALANCER;
        case ServiceType::cluster_ip:
        case ServiceType::external_name:
            break;
    }
    return SERVICE_CLUSTER_IP;
}

frontend_key make_frontend_key(const IpAddress& address, std::uint16_t port, l4_protocol protocol) {
    frontend_key key{.family = address.family, .protocol = protocol, .port = port};
    std::ranges::copy(address.octets, key.address);
    return key;
}

// The family that clusterIP shows, those of the slices, and those of the addresses that are asked for by name.
std::set<address_family> families_of(const Service& service, std::span<const EndpointSlice* const> slices) {
    std::set<address_family> families;
    if (auto cluster_ip = IpAddress::parse(service.cluster_ip)) {
        families.insert(cluster_ip->family);
    }
    for (const EndpointSlice* slice : slices) {
        families.insert(slice->family);
    }
    for (const IpAddress& address : service.external_ips) {
        families.insert(address.family);
    }
    if (service.type == ServiceType::load_balancer) {
        for (const IpAddress& address : service.ingress_ips) {
            families.insert(address.family);
        }
    }
    return families;
}

void add_frontends(DesiredService& desired, const Service& service, const ServicePort& port,
                   const MapState::Basis& basis) {
    auto add = [&](const std::vector<IpAddress>& addresses, std::uint16_t number, frontend_kind kind) {
        for (const IpAddress& address : addresses) {
            if (address.family == desired.key.family) {
                desired.frontends.try_emplace(make_frontend_key(address, number, port.protocol), kind);
            }
        }
    };
    const bool has_node_port = service.type == ServiceType::node_port || service.type == ServiceType::load_balancer;
    if (has_node_port && port.node_port != 0) {
        add(basis.node_port_addresses, port.node_port, FRONTEND_NODE_PORT);
    }
    if (service.type == ServiceType::load_balancer) {
        add(service.ingress_ips, port.port, FRONTEND_LOAD_BALANCER);
    }
    add(service.external_ips, port.port, FRONTEND_EXTERNAL_IP);
}

// Replies of backends come to these ports: a frontend there would take them for requests.
const frontend_key* snat_clash(const DesiredService& desired, const MapState::Basis& basis) {
    for (const auto& [key, kind] : desired.frontends) {
        if (key.port >= basis.snat_port_min && key.port <= basis.snat_port_max &&
            basis.snat_addresses.contains(address_of(key))) {
            return &key;
        }
    }
    return nullptr;
}

// They hold for load-balancer addresses alone. If none is of this family, or can be read, nobody may come.
void add_source_ranges(DesiredService& desired, const Service& service) {
    if (service.type != ServiceType::load_balancer ||
        (service.source_ranges.empty() && service.unreadable_source_ranges.empty())) {
        return;
    }
    for (const IpPrefix& range : service.source_ranges) {
        if (range.address.family == desired.key.family) {
            desired.source_ranges.insert(range);
        }
    }
    desired.value.source_ranges = std::max(1U, static_cast<std::uint32_t>(desired.source_ranges.size()));
}

service_treatment judge(const DesiredService& desired, const MapState::Basis& basis) {
    if (desired.frontends.empty()) {
        return LEFT_NO_EXTERNAL_FRONTEND;
    }
    return snat_clash(desired, basis) != nullptr ? LEFT_SNAT_PORT_CLASH : SERVED;
}

}  // namespace

bool is_service_ignored(const Service& service) {
    return service.type == ServiceType::external_name || service.cluster_ip.empty() || service.cluster_ip == "None" ||
           is_for_another_proxy(service.labels);
}

std::string treatment_reason(service_treatment treatment) {
    switch (treatment) {
        case SERVED:
            return "";
        case LEFT_NO_EXTERNAL_FRONTEND:
            return "it has cluster IPs only";
        case LEFT_SNAT_PORT_CLASH:
            return "one of its frontends is a source address of this node with a port of the SNAT range; move that "
                   "range with --snat-ports";
        case LEFT_NO_ROOM:
            return "a map is full";
        case LEFT_FRONTEND_TAKEN:
            return "another Service has one of its frontends";
    }
    return "unknown treatment";
}

DesiredServices desired_services(const Snapshot& snapshot, const Service& service, const std::string& own_node,
                                 const MapState::Basis& basis, const std::set<address_family>& more_families) {
    DesiredServices result;
    const std::vector<const EndpointSlice*> slices = slices_of(snapshot, service.name);
    std::set<address_family> families = families_of(service, slices);
    families.insert(more_families.begin(), more_families.end());

    std::set<ServiceKey> seen;
    for (const ServicePort& port : service.ports) {
        for (address_family family : families) {
            DesiredService desired;
            desired.key = {.name = service.name,
                           .port = port.port,
                           .protocol = port.protocol,
                           .family = family,
                           .port_name = port.name};
            auto value = service_value(desired.key);
            if (!value || !seen.insert(desired.key).second) {
                result.warnings.push_back(desired.key.to_string() + " is left to the stack: " +
                                          (value ? "it names this port twice" : "its name is too long"));
                continue;
            }
            desired.value = *value;
            desired.value.type = map_type(service.type);
            desired.value.node_port = port.node_port;
            desired.value.external_policy =
                service.external_traffic_policy == TrafficPolicy::local ? POLICY_LOCAL : POLICY_CLUSTER;
            desired.value.affinity_timeout_s = service.affinity_timeout_s;
            add_frontends(desired, service, port, basis);
            desired.value.treatment = judge(desired, basis);
            desired.reason = treatment_reason(desired.value.treatment);
            if (desired.value.treatment == SERVED) {
                desired.endpoints = choose_endpoints(slices, port, family, {.node = own_node, .zone = basis.zone});
                add_source_ranges(desired, service);
            } else {
                desired.frontends.clear();
            }
            result.services.push_back(std::move(desired));
        }
    }
    return result;
}

}  // namespace shunt
