// SPDX-License-Identifier: Apache-2.0
#include "test/contract/fixture.h"

#include <unistd.h>

namespace shunt::contract {

using namespace packet::actors;

void ContractTest::SetUp() {
    CaseTest::SetUp();
    if (IsSkipped()) {
        return;
    }
    world.node = "node-a";
    world.zone = "zone-1";
    world.internal_ips = {node_a.ipv4, node_a.ipv6};
    world.own_addresses = {node_a.ipv4, node_a.ipv6, node_a_storage.ipv4, node_a_storage.ipv6};
    world.cluster_ranges = {{"198.19.0.0", 16}, {"2001:db8:19::", 48}};
    static const FlowUpkeep upkeep = load_upkeep(datapath());
    installation_ = std::make_unique<Installation>(datapath(), network(), upkeep);
}

Endpoint ContractTest::at(const packet::Actor& pod) const {
    const std::uint8_t network = pod.ipv4.octets[2];
    return {.address = of(pod),
            .node = network == 1 ? "node-a" : network == 2 ? "node-b" : "node-c",
            .ready = true,
            .serving = true,
            .terminating = false};
}

Service ContractTest::orders_with(std::vector<Endpoint> endpoints) const {
    const Protocol protocol = is_tcp() ? Protocol::TCP : Protocol::UDP;
    Service service;
    service.name = "orders";
    service.type = Service::Type::LOAD_BALANCER;
    service.versions = {version()};
    service.ports = {{.name = "", .protocol = protocol, .port = PORT, .node_port = NODE_PORT}};
    service.ingress_ips = {vip()};
    service.external_ips = {external_ip()};
    service.slices = {{.version = version(),
                       .ports = {{.name = "", .protocol = protocol, .port = TARGET_PORT}},
                       .endpoints = std::move(endpoints)}};
    return service;
}

Packet ContractTest::dial(const Address& from, const Address& address, std::uint16_t port) {
    return {.source = from,
            .destination = address,
            .source_port = next_port_++,
            .destination_port = port,
            .protocol = is_tcp() ? Protocol::TCP : Protocol::UDP,
            .flags = is_tcp() ? SYN : std::uint8_t{0}};
}

ContractTest::Sent ContractTest::send(const Packet& packet, std::uint32_t sequence, std::uint32_t acknowledged) {
    Sent sent;
    sent.frame = frame_of(packet, sequence, acknowledged).build();
    sent.outcome = datapath().run(ingress(), network().uplink, sent.frame, {.checksum_complete = false});
    sent.seen = observe(ingress(), packet, sent.frame, sent.outcome);
    return sent;
}

Talk ContractTest::begin(const Packet& packet, std::uint32_t sequence) {
    const Sent sent = send(packet, sequence);
    EXPECT_EQ(sent.seen.fault, "") << packet;
    EXPECT_EQ(sent.seen.outcome, Outcome::FORWARDED) << packet << sent.outcome.events;
    Talk talk{.first = packet, .sequence = sequence, .seen = sent.seen};
    if (!talk.seen.to) {
        talk.seen.to = Destination{};
    }
    return talk;
}

Destination ContractTest::say(Talk& talk, std::uint8_t flags) {
    Packet packet = talk.first;
    if (is_tcp()) {
        packet.flags = flags;
    }
    talk.seen = begin(packet, talk.sequence).seen;
    return *talk.seen.to;
}

void ContractTest::answer(const Talk& talk, std::uint8_t flags) {
    const Destination& from = *talk.seen.to;
    if (from.address.version == 0) {
        return;  // it was not forwarded, and that was said
    }
    const Packet packet{.source = from.address,
                        .destination = talk.seen.source,
                        .source_port = from.port,
                        .destination_port = talk.seen.source_port,
                        .protocol = talk.first.protocol,
                        .flags = flags};
    const packet::Bytes frame = frame_of(packet, 1, talk.sequence + 1).build();
    const test::Program program = from.is_local ? test::Program::TC_EGRESS : ingress();
    const test::Outcome outcome = datapath().run(program, network().uplink, frame);
    const packet::View after(outcome.frame.bytes);
    EXPECT_EQ(after.saddr, talk.first.destination) << packet << outcome.events;
    EXPECT_EQ(after.daddr, talk.first.source) << packet;
    EXPECT_EQ(after.sport, talk.first.destination_port) << packet;
    EXPECT_EQ(after.dport, talk.first.source_port) << packet;
    EXPECT_EQ(after.l4_checksum, packet::Checksum::RIGHT) << packet;
    EXPECT_EQ(outcome.verdict, from.is_local ? test::Verdict::PASSED : sent(network().uplink, network().uplink)) << packet;
}

Talk ContractTest::establish(const Packet& packet) {
    Talk talk = begin(packet);
    answer(talk);
    if (is_tcp()) {
        say(talk, ACK);
    }
    return talk;
}

std::map<std::string, int> ContractTest::spread(const Address& address, std::uint16_t port, int connections) {
    return spread(client(), address, port, connections);
}

std::map<std::string, int> ContractTest::spread(const Address& from, const Address& address, std::uint16_t port,
                                                int connections) {
    std::map<std::string, int> counts;
    for (int i = 0; i < connections; i++) {
        const Talk talk = begin(dial(from, address, port));
        counts[talk.seen.to->address.version == 0 ? "nobody" : name_of(talk.seen.to->address)]++;
        if (is_tcp()) {
            answer(talk);  // so that no endpoint is passed over for its silence
        }
    }
    return counts;
}

std::string ContractTest::reached(const Address& from, const Address& address, std::uint16_t port) {
    std::string names;
    for (const auto& [name, count] : spread(from, address, port)) {
        names += (names.empty() ? "" : " ") + name;
    }
    return names;
}

std::string ContractTest::name_of(const Address& pod) {
    const std::pair<const char*, const packet::Actor&> pods[] = {{"a1", a1}, {"a2", a2}, {"b1", b1}, {"b2", b2}, {"c1", c1}};
    for (const auto& [name, actor] : pods) {
        if (actor.address(pod.version) == pod) {
            return name;
        }
    }
    return pod.to_string();
}

void ContractTest::expect_outcome(const Packet& packet, Outcome outcome) {
    const Sent sent = send(packet);
    EXPECT_EQ(name(sent.seen.outcome), name(outcome)) << packet << sent.outcome.events;
    EXPECT_EQ(sent.seen.fault, "") << packet << sent.outcome.frame;
}

void ContractTest::wait_for_a_new_tick() {
    const std::uint32_t tick = test::tick_now();
    while (test::tick_now() == tick) {
        usleep(1000);
    }
    usleep(20000);
}

std::uint64_t ContractTest::counted(event event) const {
    const auto events = datapath().events();
    const auto found = events.counts.find(event);
    return found == events.counts.end() ? 0 : found->second;
}

}  // namespace shunt::contract
