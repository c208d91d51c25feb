// SPDX-License-Identifier: Apache-2.0
#include "test/contract/model.h"

#include <algorithm>
#include <ostream>

namespace shunt::contract {

bool Prefix::contains(const Address& other) const {
    if (other.version != address.version) {
        return false;
    }
    for (unsigned bit = 0; bit < length; bit++) {
        const unsigned mask = 0x80u >> bit % 8;
        if ((address.octets[bit / 8] & mask) != (other.octets[bit / 8] & mask)) {
            return false;
        }
    }
    return true;
}

namespace {

bool is_ready(const Endpoint& endpoint) {
    return endpoint.ready.value_or(true);
}

bool is_serving(const Endpoint& endpoint) {
    return endpoint.serving.value_or(is_ready(endpoint));
}

bool is_last_resort(const Endpoint& endpoint) {
    return is_serving(endpoint) && endpoint.terminating.value_or(false);
}

bool any_contains(const std::vector<Prefix>& prefixes, const Address& address) {
    return std::ranges::any_of(prefixes, [&](const Prefix& prefix) { return prefix.contains(address); });
}

bool has(const std::vector<Address>& addresses, const Address& address) {
    return std::ranges::find(addresses, address) != addresses.end();
}

// The endpoints of one port, each with where it stands.
std::vector<std::pair<Destination, const Endpoint*>> endpoints_of(const World& world, const Service& service,
                                                                  const ServicePort& port, int version) {
    std::map<Destination, const Endpoint*> found;
    for (const Slice& slice : service.slices) {
        if (slice.version != version) {
            continue;
        }
        for (const SlicePort& candidate : slice.ports) {
            if (candidate.name != port.name || candidate.protocol != port.protocol || candidate.port == 0) {
                continue;
            }
            for (const Endpoint& endpoint : slice.endpoints) {
                const Destination at{.address = endpoint.address, .port = candidate.port};
                auto [known, is_new] = found.try_emplace(at, &endpoint);
                if (!is_new && endpoint.node == world.node) {
                    known->second = &endpoint;  // of duplicates the local one counts
                }
            }
        }
    }
    std::vector<std::pair<Destination, const Endpoint*>> all;
    for (auto [at, endpoint] : found) {
        Destination destination = at;
        destination.is_local = endpoint->node == world.node;
        all.emplace_back(destination, endpoint);
    }
    return all;
}

bool is_opening_syn(const Packet& packet) {
    return packet.protocol == Protocol::TCP && (packet.flags & (SYN | ACK | RST | FIN)) == SYN;
}

}  // namespace

Model::FlowKey Model::key_of(const Packet& packet) {
    return {packet.protocol, packet.source.to_string(), packet.source_port, packet.destination.to_string(),
            packet.destination_port};
}

bool Model::is_in_cluster(const Address& address) const {
    return any_contains(world_.cluster_ranges, address);
}

bool Model::has_node_ports(const Address& address) const {
    if (world_.node_ports_everywhere) {
        return has(world_.own_addresses, address);
    }
    if (!world_.node_port_ranges.empty()) {
        return has(world_.own_addresses, address) && any_contains(world_.node_port_ranges, address);
    }
    return has(world_.internal_ips, address);
}

std::optional<Model::Frontend> Model::frontend(const Packet& packet) const {
    for (const auto& [name, service] : world_.services) {
        const bool has_version = std::ranges::count(service.versions, packet.destination.version) > 0;
        if (service.is_another_proxys || !has_version) {
            continue;
        }
        for (const ServicePort& port : service.ports) {
            if (port.protocol != packet.protocol) {
                continue;
            }
            const ServiceKey key{name, port.name, packet.destination.version};
            if (packet.destination_port == port.node_port && port.node_port != 0 &&
                service.type != Service::Type::CLUSTER_IP && has_node_ports(packet.destination)) {
                return Frontend{&service, &port, Kind::NODE_PORT, key};
            }
            if (packet.destination_port != port.port) {
                continue;
            }
            if (service.type == Service::Type::LOAD_BALANCER && has(service.ingress_ips, packet.destination)) {
                return Frontend{&service, &port, Kind::VIP, key};
            }
            if (has(service.external_ips, packet.destination)) {
                return Frontend{&service, &port, Kind::EXTERNAL_IP, key};
            }
        }
    }
    return std::nullopt;
}

// A load balancer's address that is this node's for forwarding only: there is nobody else for its other ports.
bool Model::is_closed_address(const Address& address) const {
    if (has(world_.own_addresses, address)) {
        return false;
    }
    return std::ranges::any_of(world_.services, [&](const auto& entry) {
        const Service& service = entry.second;
        return !service.is_another_proxys && service.type == Service::Type::LOAD_BALANCER &&
               std::ranges::count(service.versions, address.version) > 0 && has(service.ingress_ips, address);
    });
}

Model::Endpoints Model::endpoints(const Frontend& frontend, int version) const {
    const auto all = endpoints_of(world_, *frontend.service, *frontend.port, version);
    auto select = [&](auto wanted) {
        std::set<Destination> chosen;
        for (const auto& [at, endpoint] : all) {
            if (wanted(at, *endpoint)) {
                chosen.insert(at);
            }
        }
        return chosen;
    };
    auto each_ready = [&](auto property) {
        return std::ranges::all_of(all, [&](const auto& entry) { return !is_ready(*entry.second) || property(*entry.second); });
    };

    Endpoints result;
    result.local = select([](const Destination& at, const Endpoint& one) { return at.is_local && is_ready(one); });
    if (result.local.empty()) {
        result.local = select([](const Destination& at, const Endpoint& one) { return at.is_local && is_last_resort(one); });
    }

    const auto ready = select([](const Destination&, const Endpoint& one) { return is_ready(one); });
    const auto on_this_node = select(
        [&](const Destination&, const Endpoint& one) { return is_ready(one) && one.hint_nodes.contains(world_.node); });
    const auto in_this_zone = select([&](const Destination&, const Endpoint& one) {
        return is_ready(one) && !world_.zone.empty() && one.hint_zones.contains(world_.zone);
    });
    if (ready.empty()) {
        result.cluster = select([](const Destination&, const Endpoint& one) { return is_last_resort(one); });
        result.cluster_rule = Rule::TERMINATING;
    } else if (each_ready([](const Endpoint& one) { return !one.hint_nodes.empty(); }) && !on_this_node.empty()) {
        result.cluster = on_this_node;
        result.cluster_rule = Rule::HINTS;
    } else if (each_ready([](const Endpoint& one) { return !one.hint_zones.empty(); }) && !in_this_zone.empty()) {
        result.cluster = in_this_zone;
        result.cluster_rule = Rule::HINTS;
    } else {
        result.cluster = ready;
    }
    return result;
}

// A connection that begins with this packet.
Decision Model::begin(const Packet& packet, const Frontend& frontend) const {
    const Service& service = *frontend.service;
    // Ranges of the other family alone let nobody in.
    if (frontend.kind == Kind::VIP && !service.source_ranges.empty() &&
        !any_contains(service.source_ranges, packet.source)) {
        return {.outcome = Outcome::OUT_OF_RANGE, .rule = Rule::OUT_OF_RANGE};
    }
    const Endpoints endpoints = this->endpoints(frontend, packet.destination.version);
    const bool from_cluster = is_in_cluster(packet.source);
    const bool is_local = service.is_local && !from_cluster;
    const std::set<Destination>& candidates = is_local ? endpoints.local : endpoints.cluster;
    if (candidates.empty()) {
        if (is_local && !endpoints.cluster.empty()) {
            return {.outcome = Outcome::NO_LOCAL_ENDPOINT, .rule = Rule::NO_LOCAL_ENDPOINT};
        }
        return {.outcome = packet.protocol == Protocol::TCP ? Outcome::RESET : Outcome::UNREACHABLE,
                .rule = Rule::NO_ENDPOINT};
    }
    if (service.affinity_timeout != 0) {
        const auto last = affinity_.find({frontend.key, packet.source.to_string()});
        if (last != affinity_.end() && candidates.contains(last->second)) {
            return {.outcome = Outcome::FORWARDED, .destinations = {last->second}, .rule = Rule::AFFINITY};
        }
    }
    const Rule rule = is_local ? Rule::NEW_LOCAL_FLOW : service.is_local ? Rule::CLUSTER_FALLBACK : endpoints.cluster_rule;
    return {.outcome = Outcome::FORWARDED, .destinations = candidates, .rule = rule};
}

Decision Model::decide(const Packet& packet) const {
    if (packet.protocol == Protocol::ECHO) {
        return is_closed_address(packet.destination)
                   ? Decision{.outcome = Outcome::ECHO_ANSWERED, .rule = Rule::VIP_ECHO}
                   : Decision{};
    }
    const auto found = flows_.find(key_of(packet));
    const auto at = frontend(packet);
    if (found != flows_.end()) {
        const Flow& flow = found->second;
        const Decision fresh = at ? begin(packet, *at) : Decision{};
        const bool is_closing = flow.state == State::CLOSING && is_opening_syn(packet);
        if (!is_closing && flow.state == State::OPENING && is_opening_syn(packet)) {
            Decision rescue{.outcome = Outcome::FORWARDED, .destinations = fresh.destinations, .rule = Rule::RESCUE};
            if (fresh.rule == Rule::AFFINITY || (at && forgotten_.contains({at->key, packet.source.to_string()}))) {
                rescue.destinations.insert(flow.to);  // the client stays, or goes where it belongs
            } else {
                rescue.destinations.erase(flow.to);
            }
            if (!rescue.destinations.empty()) {
                return rescue;
            }
        }
        if (!is_closing) {
            return {.outcome = Outcome::FORWARDED,
                    .destinations = {flow.to},
                    .rule = fresh.destinations.contains(flow.to) ? Rule::FLOW : Rule::FLOW_AFTER_CHANGE};
        }
    }
    if (!at) {
        return is_closed_address(packet.destination)
                   ? Decision{.outcome = Outcome::VIP_OTHER_PORT, .rule = Rule::VIP_OTHER_PORT}
                   : Decision{};
    }
    if (packet.protocol == Protocol::TCP && !is_opening_syn(packet)) {
        return {.rule = Rule::NO_FLOW};
    }
    Decision decision = begin(packet, *at);
    if (decision.outcome == Outcome::FORWARDED) {
        if (found != flows_.end()) {
            decision.rule = Rule::REOPENED;
        } else if (moved_.contains(key_of(packet))) {
            decision.rule = Rule::MOVED;
        }
    }
    return decision;
}

void Model::forwarded(const Packet& packet, const Destination& to) {
    const auto key = key_of(packet);
    moved_.erase(key);
    auto found = flows_.find(key);
    const bool is_over = found != flows_.end() && found->second.state == State::CLOSING && is_opening_syn(packet);
    if (found == flows_.end() || is_over || !(found->second.to == to)) {
        const auto at = frontend(packet);
        const ServiceKey service = at ? at->key : found != flows_.end() ? found->second.service : ServiceKey{};
        flows_[key] = {.to = to, .service = service};
        return;
    }
    Flow& flow = found->second;
    if (packet.protocol != Protocol::TCP) {
        return;
    }
    if (packet.flags & (FIN | RST)) {
        flow.state = State::CLOSING;
    } else if (flow.state == State::ANSWERED && (packet.flags & (ACK | SYN)) == ACK) {
        flow.state = State::ESTABLISHED;
        note_affinity(flow, packet.source);
    }
}

// An endpoint that gets no new connections at this moment: whether the client is noted there is open.
void Model::note_affinity(const Flow& flow, const Address& client) {
    const auto& [name, port_name, version] = flow.service;
    const auto service = world_.services.find(name);
    if (service == world_.services.end() || service->second.affinity_timeout == 0) {
        return;
    }
    const auto port = std::ranges::find(service->second.ports, port_name, &ServicePort::name);
    if (port == service->second.ports.end()) {
        return;
    }
    const Endpoints endpoints = this->endpoints({&service->second, &*port, Kind::VIP, flow.service}, version);
    const Client key{flow.service, client.to_string()};
    if (endpoints.cluster.contains(flow.to) || (service->second.is_local && endpoints.local.contains(flow.to))) {
        affinity_[key] = flow.to;
        forgotten_.erase(key);
    } else if (affinity_.contains(key) && affinity_[key] != flow.to) {
        affinity_.erase(key);
        forgotten_.insert(key);
    } else if (!affinity_.contains(key)) {
        forgotten_.insert(key);
    }
}

void Model::not_forwarded(const Packet& packet) {
    moved_.erase(key_of(packet));
    flows_.erase(key_of(packet));
}

void Model::answered(const Packet& packet, std::uint8_t flags) {
    Flow& flow = flows_.at(key_of(packet));
    if (packet.protocol != Protocol::TCP) {
        if (flow.state == State::OPENING) {
            note_affinity(flow, packet.source);
        }
        flow.state = State::ESTABLISHED;
    } else if (flags & (FIN | RST)) {
        flow.state = State::CLOSING;
    } else if (flow.state == State::OPENING && (flags & (SYN | ACK)) == (SYN | ACK)) {
        flow.state = State::ANSWERED;
    }
}

std::optional<Destination> Model::connection(const Packet& packet) const {
    const auto found = flows_.find(key_of(packet));
    return found == flows_.end() ? std::nullopt : std::optional(found->second.to);
}

// All endpoints, or those that serve, whether new connections go to them or not.
std::set<Destination> Model::known(const ServiceKey& key, bool only_serving) const {
    std::set<Destination> result;
    const auto& [name, port_name, version] = key;
    const auto service = world_.services.find(name);
    if (service == world_.services.end() || service->second.is_another_proxys) {
        return result;
    }
    for (const ServicePort& port : service->second.ports) {
        if (port.name == port_name) {
            for (const auto& [at, endpoint] : endpoints_of(world_, service->second, port, version)) {
                if (!only_serving || is_serving(*endpoint)) {
                    result.insert(at);
                }
            }
        }
    }
    return result;
}

void Model::change(World world) {
    world_ = std::move(world);
    // Whether a client is still noted at an endpoint that went and comes back is open.
    std::erase_if(affinity_, [this](const auto& entry) {
        const bool is_gone = !known(entry.first.first, false).contains(entry.second);
        if (is_gone) {
            forgotten_.insert(entry.first);
        }
        return is_gone;
    });
    for (auto flow = flows_.begin(); flow != flows_.end();) {
        const bool is_udp = std::get<Protocol>(flow->first) == Protocol::UDP;
        if (is_udp && !known(flow->second.service, true).contains(flow->second.to)) {
            moved_.insert(flow->first);
            flow = flows_.erase(flow);
        } else {
            ++flow;
        }
    }
}

const char* name(Outcome outcome) {
    switch (outcome) {
        case Outcome::PASSED:
            return "passed";
        case Outcome::FORWARDED:
            return "forwarded";
        case Outcome::RESET:
            return "refused by RST";
        case Outcome::UNREACHABLE:
            return "refused by ICMP";
        case Outcome::ECHO_ANSWERED:
            return "echo answered";
        case Outcome::NO_LOCAL_ENDPOINT:
            return "dropped: no local endpoint";
        case Outcome::OUT_OF_RANGE:
            return "dropped: source range";
        case Outcome::VIP_OTHER_PORT:
            return "dropped: the VIP's other port";
    }
    return "?";
}

const char* name(Rule rule) {
    switch (rule) {
        case Rule::NOT_OURS:
            return "not ours";
        case Rule::NO_FLOW:
            return "no SYN, no connection";
        case Rule::NEW_FLOW:
            return "new connection";
        case Rule::NEW_LOCAL_FLOW:
            return "new connection, policy Local";
        case Rule::CLUSTER_FALLBACK:
            return "policy Local, client of the cluster";
        case Rule::TERMINATING:
            return "terminating endpoints";
        case Rule::HINTS:
            return "topology hints";
        case Rule::AFFINITY:
            return "affinity";
        case Rule::FLOW:
            return "known connection";
        case Rule::FLOW_AFTER_CHANGE:
            return "known connection after a change";
        case Rule::RESCUE:
            return "SYN once more";
        case Rule::REOPENED:
            return "SYN of a closing connection";
        case Rule::MOVED:
            return "UDP, endpoint gone";
        case Rule::NO_ENDPOINT:
            return "no endpoint";
        case Rule::NO_LOCAL_ENDPOINT:
            return "no local endpoint";
        case Rule::OUT_OF_RANGE:
            return "out of the source ranges";
        case Rule::VIP_OTHER_PORT:
            return "the VIP's other port";
        case Rule::VIP_ECHO:
            return "echo to the VIP";
    }
    return "?";
}

namespace {

const char* name(Protocol protocol) {
    return protocol == Protocol::TCP ? "TCP" : protocol == Protocol::UDP ? "UDP" : protocol == Protocol::ECHO ? "echo" : "other";
}

const char* condition(const std::optional<bool>& value) {
    return !value ? "-" : *value ? "yes" : "no";
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Destination& destination) {
    return out << destination.address.to_string() << ' ' << destination.port << (destination.is_local ? " here" : "");
}

std::ostream& operator<<(std::ostream& out, const Decision& decision) {
    out << name(decision.outcome) << " (" << name(decision.rule) << ')';
    for (const Destination& destination : decision.destinations) {
        out << ", " << destination;
    }
    return out;
}

std::ostream& operator<<(std::ostream& out, const Packet& packet) {
    return out << name(packet.protocol) << ' ' << packet.source.to_string() << ' ' << packet.source_port << " > "
               << packet.destination.to_string() << ' ' << packet.destination_port << " flags " << int{packet.flags};
}

std::ostream& operator<<(std::ostream& out, const World& world) {
    out << "zone '" << world.zone << "'; node ports " << (world.node_ports_everywhere ? "everywhere" : "primary or");
    for (const Prefix& range : world.node_port_ranges) {
        out << ' ' << range.to_string();
    }
    for (const auto& [service_name, service] : world.services) {
        out << "\n  " << service_name << " type " << static_cast<int>(service.type) << (service.is_local ? " Local" : " Cluster")
            << " affinity " << service.affinity_timeout << (service.is_another_proxys ? " another proxy's" : "");
        for (const ServicePort& port : service.ports) {
            out << "; port " << port.name << ' ' << name(port.protocol) << ' ' << port.port << " node port " << port.node_port;
        }
        for (const Address& address : service.ingress_ips) {
            out << " vip " << address.to_string();
        }
        for (const Address& address : service.external_ips) {
            out << " external " << address.to_string();
        }
        for (const Prefix& range : service.source_ranges) {
            out << " range " << range.to_string();
        }
        for (const Slice& slice : service.slices) {
            out << "\n    slice IPv" << slice.version;
            for (const SlicePort& port : slice.ports) {
                out << ' ' << port.name << ' ' << name(port.protocol) << ' ' << port.port;
            }
            for (const Endpoint& one : slice.endpoints) {
                out << "\n      " << one.address.to_string() << " on " << one.node << " ready " << condition(one.ready)
                    << " serving " << condition(one.serving) << " terminating " << condition(one.terminating);
                for (const std::string& hint : one.hint_nodes) {
                    out << " for node " << hint;
                }
                for (const std::string& hint : one.hint_zones) {
                    out << " for zone " << hint;
                }
            }
        }
    }
    return out;
}

}  // namespace shunt::contract
