// SPDX-License-Identifier: Apache-2.0
#include "test/contract/generator.h"

#include <algorithm>
#include <array>

#include "test/packet/actors.h"

namespace shunt::contract {

namespace {

const std::string NODE = "node-a";
const std::string ZONE = "zone-1";

// For the nodes of test/bpf/network.h: pods of these networks can be reached, and so can clients.
Address pod(int version, unsigned network, unsigned number) {
    const std::string last = std::to_string(number);
    return version == 4 ? Address(("198.19." + std::to_string(network) + '.' + last).c_str())
                        : Address(("2001:db8:19:" + std::to_string(network) + "::" + last).c_str());
}

Address vip(int version, unsigned number) {
    const std::string last = std::to_string(number);
    return version == 4 ? Address(("203.0.113." + last).c_str()) : Address(("2001:db8:203::" + last).c_str());
}

const std::vector<Prefix>& some_ranges() {
    static const std::vector<Prefix> ranges{{"198.51.100.0", 24}, {"198.51.100.7", 32},  {"192.0.2.0", 25},
                                            {"0.0.0.0", 0},       {"2001:db8:51::", 64}, {"2001:db8:51::7", 128},
                                            {"2001:db8:c0::", 48}, {"::", 0},            {"198.19.0.0", 16}};
    return ranges;
}

constexpr std::array<const char*, 5> CLIENTS_4{"198.51.100.7", "198.51.100.8", "192.0.2.10", "192.0.2.200", "198.51.101.7"};
constexpr std::array<const char*, 5> CLIENTS_6{"2001:db8:51::7", "2001:db8:51::8", "2001:db8:c0::10", "2001:db8:c1::10",
                                               "2001:db8:51:1::7"};

constexpr unsigned SHARED_VIP = 10;

}  // namespace

World Generator::world() {
    using namespace packet::actors;
    World world;
    absent_.clear();
    world.node = NODE;
    world.zone = chance(85) ? ZONE : "";
    world.internal_ips = {node_a.ipv4, node_a.ipv6};
    world.own_addresses = {node_a.ipv4,         node_a.ipv6,       node_a_storage.ipv4, node_a_storage.ipv6,
                           "198.18.0.121", "2001:db8:18::121"};
    if (chance(85)) {
        world.cluster_ranges = {{"198.19.0.0", 16}, {"2001:db8:19::", 48}};
    }
    if (chance(20)) {
        world.node_ports_everywhere = true;
    } else if (chance(25)) {
        world.node_port_ranges = {{"198.18.1.0", 24}};
        if (chance(60)) {
            world.node_port_ranges.push_back({"2001:db8:18:1::", 64});
        }
    }
    const unsigned services = 1 + below(3);
    for (unsigned i = 0; i < services; i++) {
        const Service one = service(i);
        world.services[one.name] = one;
    }
    return world;
}

Service Generator::service(unsigned number) {
    Service service;
    service.name = "web-" + std::to_string(number);
    const unsigned type = below(10);
    service.type = type < 6   ? Service::Type::LOAD_BALANCER
                   : type < 9 ? Service::Type::NODE_PORT
                              : Service::Type::CLUSTER_IP;
    service.is_another_proxys = chance(4);
    service.versions = std::vector<std::vector<int>>{{4}, {6}, {4, 6}, {6, 4}}[below(4)];
    const unsigned ports = 1 + below(2);
    const bool udp_first = chance(50);
    for (unsigned i = 0; i < ports; i++) {
        ServicePort port{.name = ports == 1 ? "" : i == 0 ? "first" : "second",
                         .protocol = (i == 0) == udp_first ? Protocol::UDP : Protocol::TCP,
                         .port = static_cast<std::uint16_t>(80 + 1000 * number + i)};
        if (service.type != Service::Type::CLUSTER_IP && (service.type == Service::Type::NODE_PORT || chance(80))) {
            port.node_port = static_cast<std::uint16_t>(30000 + 10 * number + i);
        }
        service.ports.push_back(port);
    }
    for (const int version : service.versions) {
        if (service.type == Service::Type::LOAD_BALANCER) {
            service.ingress_ips.push_back(vip(version, 20 + number));
            if (chance(30)) {
                service.ingress_ips.push_back(vip(version, SHARED_VIP));
            }
            if (chance(8)) {  // as load balancers do that are part of the nodes
                service.ingress_ips.push_back(packet::actors::node_a_storage.address(version));
            }
        }
        if (service.type == Service::Type::CLUSTER_IP || chance(20)) {
            service.external_ips.push_back(vip(version, 40 + number));
        }
    }
    change_endpoints(service);
    change_policies(service);
    return service;
}

void Generator::change_policies(Service& service) {
    service.is_local = chance(45);
    service.affinity_timeout = chance(60) ? (chance(50) ? 10800 : 600) : 0;
    service.source_ranges.clear();
    if (chance(45)) {
        const unsigned count = 1 + below(3);
        for (unsigned i = 0; i < count; i++) {
            service.source_ranges.push_back(one_of(some_ranges()));
        }
    }
}

void Generator::change_endpoints(Service& service) {
    service.slices.clear();
    const bool is_empty = chance(12);
    for (const int version : service.versions) {
        std::vector<Endpoint> all = endpoints(version, is_empty ? 0 : below(6));
        Slice first{.version = version};
        for (std::size_t i = 0; i < service.ports.size(); i++) {
            first.ports.push_back({.name = service.ports[i].name,
                                   .protocol = service.ports[i].protocol,
                                   .port = static_cast<std::uint16_t>(8080 + i)});
        }
        if (chance(30)) {
            Slice second = first;
            const bool other_target = chance(50);  // a named target port that not all pods have in one place
            for (SlicePort& port : second.ports) {
                port.port = static_cast<std::uint16_t>(port.port + (other_target ? 1000 : 0));
            }
            for (std::size_t i = 0; i < all.size(); i++) {
                if (chance(50)) {
                    second.endpoints.push_back(all[i]);
                    if (!other_target && chance(40)) {
                        continue;  // in both: it is moving from one slice to the other
                    }
                    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i--));
                }
            }
            service.slices.push_back(second);
        }
        first.endpoints = all;
        service.slices.push_back(first);
    }
}

std::vector<Endpoint> Generator::endpoints(int version, unsigned count) {
    enum { HEALTHY, ENDING, DEAD };
    const unsigned dice = below(10);
    const auto mood = dice < 6 ? HEALTHY : dice < 9 ? ENDING : DEAD;
    enum { NO_HINTS, ZONES, NODES, MIXED };
    const unsigned hints = std::array<unsigned, 10>{NO_HINTS, NO_HINTS, NO_HINTS, NO_HINTS, NO_HINTS, ZONES, ZONES, ZONES,
                                                    NODES, MIXED}[below(10)];
    const bool none_here = chance(35);
    std::vector<std::pair<unsigned, unsigned>> places;  // network, number
    for (unsigned i = 11; i < 15; i++) {
        if (!none_here) {
            places.emplace_back(1, i);
        }
        places.emplace_back(2, i);
        places.emplace_back(3, i);
    }
    std::shuffle(places.begin(), places.end(), random_);
    std::vector<Endpoint> all;
    for (unsigned i = 0; i < std::min<std::size_t>(count, places.size()); i++) {
        const auto [network, number] = places[i];
        Endpoint one{.address = pod(version, network, number),
                     .node = network == 1 ? NODE : network == 2 ? "node-b" : "node-c"};
        if (network != 1 && chance(5)) {
            one.node.clear();
        }
        const unsigned condition = mood == HEALTHY ? below(12) : mood == ENDING ? 7 + below(5) : 10 + below(2);
        if (condition < 6) {
            one.ready = one.serving = true;
            one.terminating = false;
        } else if (condition == 6) {
            // nothing is said: ready
        } else if (condition < 10) {
            one.ready = false;
            one.serving = one.terminating = true;
        } else if (condition == 10) {
            one.ready = one.serving = false;
            one.terminating = true;
        } else {
            one.ready = false;  // serving, if nothing is said: as ready
            one.terminating = chance(50) ? std::optional(false) : std::nullopt;
        }
        const bool hinted = hints != MIXED || chance(50);
        if (hinted && (hints == ZONES || hints == MIXED)) {
            one.hint_zones = {chance(45) ? ZONE : "zone-2"};
            if (chance(20)) {
                one.hint_zones.insert("zone-3");
            }
        }
        if (hinted && hints == NODES) {
            one.hint_nodes = {chance(50) && !one.node.empty() ? one.node : NODE};
            one.hint_zones = {chance(50) ? ZONE : "zone-2"};
        }
        all.push_back(one);
    }
    return all;
}

World Generator::change(const World& before) {
    World world = before;
    for (auto& [name, service] : world.services) {
        if (chance(55)) {
            change_endpoints(service);
        }
        if (chance(45)) {
            change_policies(service);
        }
    }
    if (chance(25) && !absent_.empty()) {
        world.services.merge(absent_);
    } else if (chance(15) && !world.services.empty()) {
        absent_.insert(world.services.extract(one_of(world.services).first));
    }
    return world;
}

Address Generator::client(int version) {
    if (chance(22)) {  // a pod that is nobody's endpoint
        return pod(version, 2 + below(2), 91 + below(4));
    }
    return version == 4 ? Address(one_of(CLIENTS_4)) : Address(one_of(CLIENTS_6));
}

Packet Generator::packet(const World& world) {
    Packet packet;
    const auto& services = chance(90) || absent_.empty() ? world.services : absent_;
    if (services.empty() || chance(3)) {
        const int version = chance(50) ? 4 : 6;
        packet.destination = vip(version, 99);
        packet.destination_port = 80;
    } else {
        const Service& service = one_of(services).second;
        const ServicePort& port = one_of(service.ports);
        packet.protocol = port.protocol;
        packet.destination_port = port.port;
        std::vector<Address> addresses = service.external_ips;
        addresses.insert(addresses.end(), service.ingress_ips.begin(), service.ingress_ips.end());
        if (addresses.empty() || chance(35)) {
            packet.destination = one_of(chance(80) ? world.internal_ips : world.own_addresses);
            if (port.node_port != 0) {
                packet.destination_port = port.node_port;
            }
        } else {
            packet.destination = one_of(addresses);
        }
        if (chance(10)) {
            packet.destination_port = static_cast<std::uint16_t>(packet.destination_port + 1 + below(3000));
        } else if (chance(6)) {
            packet.protocol = packet.protocol == Protocol::TCP ? Protocol::UDP : Protocol::TCP;
        } else if (chance(9)) {
            packet.protocol = Protocol::ECHO;
            packet.destination_port = 0;
        }
    }
    packet.source = client(packet.destination.version);
    packet.source_port = next_client_port_++;
    if (next_client_port_ == 0) {
        next_client_port_ = 1;
    }
    if (packet.protocol == Protocol::TCP) {
        packet.flags = chance(93) ? SYN : chance(50) ? ACK : chance(50) ? SYN | ACK : RST;
    }
    return packet;
}

}  // namespace shunt::contract
