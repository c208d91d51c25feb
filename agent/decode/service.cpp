// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <utility>

#include "agent/decode/object_decoder.h"

namespace shunt::decode {
namespace {

std::string trimmed(const std::string& text) {
    constexpr const char* blank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(blank);
    return first == text.npos ? std::string() : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

// Names, and (protocol, port) pairs, are unique within a Service; endpoints are matched by name.
class PortDecoder {
public:
    PortDecoder(FieldReader& read, Warnings& warnings) : read_(read), warnings_(warnings) {}

    void decode(const Field& field, std::vector<ServicePort>& into) {
        if (field.value().kind() != ValueKind::mapping) {
            return read_.fail(field, "is not a port of a Service");
        }
        ServicePort port;
        port.name = read_.label(field["name"]);
        const std::optional<l4_protocol> protocol = decode_protocol(read_, field, warnings_);
        port.port = read_.port(field["port"]);
        port.node_port = read_.port(field["nodePort"]);
        if (port.port == 0) {
            field["port"].is_absent() ? read_.fail_missing(field["port"]) : read_.fail(field["port"], "0 is not a port");
        }
        if (!names_.insert(port.name).second) {
            read_.fail(field, port.name.empty() ? "a second port without a name" : "a second port named " + port.name);
        }
        if (!protocol) {
            return;
        }
        port.protocol = *protocol;
        if (!numbers_.emplace(port.protocol, port.port).second) {
            read_.fail(field, "a second port " + std::to_string(port.port) + " of this protocol");
        }
        into.push_back(std::move(port));
    }

private:
    FieldReader& read_;
    Warnings& warnings_;
    std::set<std::string> names_;
    std::set<std::pair<l4_protocol, std::uint16_t>> numbers_;
};

// Ingress with a hostname only, or with ipMode Proxy, is not for a node to program.
std::vector<IpAddress> decode_ingress(FieldReader& read, const Field& object) {
    std::vector<IpAddress> ips;
    const Field status = read.mapping(object, "status");
    const Field load_balancer = read.mapping(status, "loadBalancer");
    read.for_each(load_balancer["ingress"], [&](const Field& ingress) {
        if (ingress.value().kind() != ValueKind::mapping) {
            return read.fail(ingress, "is not an ingress of a load balancer");
        }
        const std::optional<IpAddress> ip = read.address(ingress["ip"]);
        const std::string mode = read.text(ingress["ipMode"]);
        if (ip && (mode.empty() || mode == "VIP")) {
            ips.push_back(*ip);
        }
    });
    return ips;
}

// The seconds of sessionAffinity ClientIP; 0 for None.
std::uint32_t decode_affinity(FieldReader& read, const Field& spec) {
    constexpr std::uint32_t by_default = 10800;
    constexpr std::int64_t longest = 86400;
    const bool is_client_ip = read.word(spec["sessionAffinity"], {"None", "ClientIP"}) == 1;
    const Field config = read.mapping(spec, "sessionAffinityConfig");
    const Field client_ip = read.mapping(config, "clientIP");
    const Field timeout = client_ip["timeoutSeconds"];
    if (!is_client_ip || timeout.is_absent()) {
        return is_client_ip ? by_default : 0;
    }
    const std::optional<std::int64_t> seconds = read.integer(timeout, "a number of seconds");
    if (seconds && (*seconds < 1 || *seconds > longest)) {
        read.fail(timeout, printable(timeout.value().written()) + " is not from 1 to 86400 seconds");
    }
    return static_cast<std::uint32_t>(seconds.value_or(by_default));
}

}  // namespace

Service decode_service(FieldReader& read, const Field& object, ObjectName name, Warnings& warnings) {
    Service service;
    service.name = std::move(name);
    service.labels = decode_labels(read, object);
    const Field spec = read.mapping(object, "spec");
    if (spec.is_absent()) {
        read.fail_missing(spec);
    }
    service.type = static_cast<ServiceType>(
        read.word(spec["type"], {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}));
    service.cluster_ip = read.text(spec["clusterIP"]);

    PortDecoder ports(read, warnings);
    read.for_each(spec["ports"], [&](const Field& port) { ports.decode(port, service.ports); });
    read.for_each(spec["externalIPs"], [&](const Field& field) {
        if (const std::optional<IpAddress> ip = read.address(field)) {
            service.external_ips.push_back(*ip);
        } else {
            read.fail(field, "is not an IP address");
        }
    });
    service.ingress_ips = decode_ingress(read, object);
    read.for_each(spec["loadBalancerSourceRanges"], [&](const Field& range) {
        const std::string text = trimmed(read.text(range));
        if (const std::optional<IpPrefix> prefix = IpPrefix::parse(text)) {
            service.source_ranges.push_back(*prefix);
        } else {
            service.unreadable_source_ranges.push_back(printable(text));
        }
    });
    service.external_traffic_policy =
        static_cast<TrafficPolicy>(read.word(spec["externalTrafficPolicy"], {"Cluster", "Local"}));
    service.health_check_node_port = read.port(spec["healthCheckNodePort"]);
    service.affinity_timeout_s = decode_affinity(read, spec);
    return service;
}

}  // namespace shunt::decode
