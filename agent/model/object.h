// SPDX-License-Identifier: Apache-2.0
// The Kubernetes objects that shunt reads, reduced to what it needs. No I/O and no policy: the decoder makes
// them, plan/ judges them. Fields mean what the Kubernetes API says (v1, discovery.k8s.io/v1).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/model/ip_address.h"
#include "agent/model/ip_prefix.h"

namespace shunt {

struct ObjectName {
    std::string name_space;  // "default" if a namespaced manifest names none; empty for a Node
    std::string name;
    auto operator<=>(const ObjectName&) const = default;
};

struct ServicePort {
    std::string name;            // empty: unnamed
    l4_protocol protocol = TCP;  // the decoder leaves SCTP ports out
    std::uint16_t port = 0;
    std::uint16_t node_port = 0;  // 0: none
    auto operator<=>(const ServicePort&) const = default;
};

enum class ServiceType { cluster_ip, node_port, load_balancer, external_name };
enum class TrafficPolicy { cluster, local };

struct Service {
    ObjectName name;
    std::map<std::string, std::string> labels;
    ServiceType type = ServiceType::cluster_ip;
    std::string cluster_ip;  // "" or "None": headless
    std::vector<ServicePort> ports;
    std::vector<IpAddress> external_ips;
    std::vector<IpAddress> ingress_ips;  // status.loadBalancer.ingress with an ip, ipMode VIP or absent
    std::vector<IpPrefix> source_ranges;               // spec.loadBalancerSourceRanges
    std::vector<std::string> unreadable_source_ranges;  // those that are no prefixes, as given
    TrafficPolicy external_traffic_policy = TrafficPolicy::cluster;
    std::uint16_t health_check_node_port = 0;  // 0: none
    std::uint32_t affinity_timeout_s = 0;  // sessionAffinity ClientIP; 0: None
    bool operator==(const Service&) const = default;
};

struct Endpoint {
    IpAddress address;      // addresses[0]
    std::string node_name;  // empty: unknown
    std::optional<bool> ready, serving, terminating;  // as given; service-contract defaults are plan/'s
    std::vector<std::string> zone_hints, node_hints;  // hints.forZones, hints.forNodes
    bool operator==(const Endpoint&) const = default;
};

struct EndpointPort {
    std::string name;  // empty: unnamed
    l4_protocol protocol = TCP;
    std::uint16_t port = 0;
    bool operator==(const EndpointPort&) const = default;
};

// Endpoints of another family than addressType, FQDN slices and ports without a number are left out by the decoder.
struct EndpointSlice {
    ObjectName name;
    std::map<std::string, std::string> labels;
    std::string service_name;  // label kubernetes.io/service-name; empty: belongs to no Service
    std::string change_trigger_time;  // annotation endpoints.kubernetes.io/last-change-trigger-time as given
    address_family family = IPV4;
    std::vector<Endpoint> endpoints;
    std::vector<EndpointPort> ports;
    bool operator==(const EndpointSlice&) const = default;
};

struct Node {
    ObjectName name;  // name_space empty
    std::vector<IpAddress> internal_ips;  // status.addresses of type InternalIP, in order
    std::vector<std::string> taints;      // keys of spec.taints, in order
    std::string zone;                     // label topology.kubernetes.io/zone; empty: none
    bool is_being_deleted = false;        // metadata.deletionTimestamp is set
    bool operator==(const Node&) const = default;
};

}  // namespace shunt
