// SPDX-License-Identifier: Apache-2.0
// What a node must do with a packet, said once more: from the objects of the Kubernetes API and from what was before to the
// outcome. Written from the rules of docs/contract.md, it shares no code with bpf/ and agent/: it is the other opinion, made
// to be read rather than to be fast. What the rules leave open (which endpoint of several) it leaves open.
#pragma once

#include <compare>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "test/packet/address.h"

namespace shunt::contract {

using packet::Address;

enum class Protocol { TCP, UDP, ECHO, OTHER };  // ECHO: an ICMP or ICMPv6 echo request

struct Prefix {
    Address address;
    unsigned length = 0;

    bool contains(const Address& other) const;
    std::string to_string() const { return address.to_string() + '/' + std::to_string(length); }
};

// ---- The objects

struct Endpoint {
    Address address;
    std::string node{};                             // empty: unknown
    std::optional<bool> ready{}, serving{}, terminating{};  // as the slice has them
    std::set<std::string> hint_nodes{}, hint_zones{};
};

struct SlicePort {
    std::string name;
    Protocol protocol = Protocol::TCP;
    std::uint16_t port = 0;
};

struct Slice {
    int version = 4;
    std::vector<SlicePort> ports{};
    std::vector<Endpoint> endpoints{};
};

struct ServicePort {
    std::string name;
    Protocol protocol = Protocol::TCP;
    std::uint16_t port = 0, node_port = 0;
};

struct Service {
    std::string name;
    enum class Type { CLUSTER_IP, NODE_PORT, LOAD_BALANCER } type = Type::NODE_PORT;
    bool is_another_proxys = false;  // label service.kubernetes.io/service-proxy-name
    std::vector<int> versions;       // of IP, the first is clusterIP's
    std::vector<ServicePort> ports;
    std::vector<Address> external_ips, ingress_ips;
    std::vector<Prefix> source_ranges;
    bool is_local = false;         // externalTrafficPolicy
    unsigned affinity_timeout = 0;  // seconds; 0: no affinity
    std::vector<Slice> slices;
};

struct World {
    std::string node, zone;               // where we are; zone "": unknown
    std::vector<Address> internal_ips;    // of the own Node object
    std::vector<Address> own_addresses;   // of this node's devices, those included
    std::vector<Prefix> cluster_ranges;   // who comes from here is part of the cluster
    bool node_ports_everywhere = false;   // --nodeport-addresses all; else primary, or:
    std::vector<Prefix> node_port_ranges;
    std::map<std::string, Service> services;
};

// ---- Packets and what becomes of them

inline constexpr std::uint8_t FIN = 1, SYN = 2, RST = 4, ACK = 16;

struct Packet {
    Address source, destination;
    std::uint16_t source_port = 0, destination_port = 0;
    Protocol protocol = Protocol::TCP;
    std::uint8_t flags = 0;  // TCP
};

struct Destination {
    Address address;
    std::uint16_t port = 0;
    bool is_local = false;  // on this node: it sees the client's address and port. Else it sees one of this node's
    auto operator<=>(const Destination& other) const {
        return std::tie(address.version, address.octets, port) <=>
               std::tie(other.address.version, other.address.octets, other.port);
    }
    bool operator==(const Destination& other) const { return (*this <=> other) == 0; }
};

enum class Outcome { PASSED, FORWARDED, RESET, UNREACHABLE, ECHO_ANSWERED, NO_LOCAL_ENDPOINT, OUT_OF_RANGE, VIP_OTHER_PORT };

// Which rule decided: what the comparison counts, so that nobody believes it saw what it did not.
enum class Rule {
    NOT_OURS,
    NO_FLOW,            // TCP, not a SYN, of no connection that is known
    NEW_FLOW,           // to one of the endpoints of the cluster
    NEW_LOCAL_FLOW,     // policy Local: to one of this node's
    CLUSTER_FALLBACK,   // policy Local, but the client is part of the cluster
    TERMINATING,        // nothing is ready: to those that terminate and still serve
    HINTS,              // to those with this node's or zone's hint
    AFFINITY,
    FLOW,               // where its connection goes
    FLOW_AFTER_CHANGE,  // the same, though a new connection would go elsewhere, or nowhere
    RESCUE,             // a SYN once more, of a connection that nobody answered
    REOPENED,           // a SYN of a connection that is closing
    MOVED,              // UDP, the endpoint is gone
    NO_ENDPOINT,
    NO_LOCAL_ENDPOINT,
    OUT_OF_RANGE,
    VIP_OTHER_PORT,
    VIP_ECHO,
};

const char* name(Outcome outcome);
const char* name(Rule rule);

struct Decision {
    Outcome outcome = Outcome::PASSED;
    std::set<Destination> destinations{};  // FORWARDED: to one of them
    Rule rule = Rule::NOT_OURS;
};

class Model {
public:
    explicit Model(World world = {}) : world_(std::move(world)) {}

    const World& world() const { return world_; }
    // What there is changes; connections stay, as far as they do.
    void change(World world);

    Decision decide(const Packet& packet) const;
    // The packet went there: connections begin, change and end.
    void forwarded(const Packet& packet, const Destination& to);
    // So did one that was refused or left alone: a connection that was closing is no more.
    void not_forwarded(const Packet& packet);
    // The endpoint of the packet's connection answered with these flags (UDP: whatever).
    void answered(const Packet& packet, std::uint8_t flags);

    // Where the packet's connection goes; nullopt: there is none.
    std::optional<Destination> connection(const Packet& packet) const;

private:
    enum class State { OPENING, ANSWERED, ESTABLISHED, CLOSING };
    // A Service's name, its port's name, version of IP.
    using ServiceKey = std::tuple<std::string, std::string, int>;
    using FlowKey = std::tuple<Protocol, std::string, std::uint16_t, std::string, std::uint16_t>;
    struct Flow {
        Destination to;
        State state = State::OPENING;
        ServiceKey service;
    };
    enum class Kind { NODE_PORT, VIP, EXTERNAL_IP };
    struct Frontend {
        const Service* service;
        const ServicePort* port;
        Kind kind;
        ServiceKey key;
    };
    struct Endpoints {
        std::set<Destination> cluster, local;
        Rule cluster_rule = Rule::NEW_FLOW;
    };

    static FlowKey key_of(const Packet& packet);
    std::optional<Frontend> frontend(const Packet& packet) const;
    bool is_closed_address(const Address& address) const;
    bool has_node_ports(const Address& address) const;
    bool is_in_cluster(const Address& address) const;
    Endpoints endpoints(const Frontend& frontend, int version) const;
    Decision begin(const Packet& packet, const Frontend& frontend) const;
    std::set<Destination> known(const ServiceKey& service, bool only_serving) const;
    void note_affinity(const Flow& flow, const Address& client);

    World world_;
    std::map<FlowKey, Flow> flows_;
    std::set<FlowKey> moved_;  // UDP flows that lost their endpoint since their last packet
    using Client = std::pair<ServiceKey, std::string>;
    std::map<Client, Destination> affinity_;
    std::set<Client> forgotten_;  // or not: that is open
};

std::ostream& operator<<(std::ostream& out, const Destination& destination);
std::ostream& operator<<(std::ostream& out, const Decision& decision);
std::ostream& operator<<(std::ostream& out, const Packet& packet);
std::ostream& operator<<(std::ostream& out, const World& world);

}  // namespace shunt::contract
