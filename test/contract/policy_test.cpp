// SPDX-License-Identifier: Apache-2.0
// Which endpoints a new connection may go to, and whom they see: traffic policies, conditions of endpoints, topology hints.
#include "test/contract/fixture.h"

namespace shunt::contract {
namespace {

using namespace packet::actors;

class Policy : public ContractTest {
protected:
    void serve(std::vector<Endpoint> endpoints, bool is_local = false) {
        orders() = orders_with(std::move(endpoints));
        orders().is_local = is_local;
        in_force();
    }
    static Endpoint not_ready(Endpoint one) {
        one.ready = one.serving = false;
        return one;
    }
    static Endpoint terminating(Endpoint one, bool serving) {
        one.ready = false;
        one.serving = serving;
        one.terminating = true;
        return one;
    }
    static Endpoint in_zone(Endpoint one, const std::string& zone) {
        one.hint_zones = {zone};
        return one;
    }
    static Endpoint for_node(Endpoint one, const std::string& node) {
        one.hint_nodes = {node};
        return one;
    }
};

TEST_P(Policy, ClusterReachesEveryReadyEndpointThroughEveryFrontend) {
    serve({at(a1), at(b1), at(c1), not_ready(at(a2))});
    EXPECT_EQ(reached(vip(), PORT), "a1 b1 c1");
    EXPECT_EQ(reached(external_ip(), PORT), "a1 b1 c1");
    EXPECT_EQ(reached(node(), NODE_PORT), "a1 b1 c1");
}

TEST_P(Policy, ClusterEndpointHereSeesTheClient) {
    serve({at(a1)});
    const Packet packet = dial();
    const Talk talk = begin(packet);
    EXPECT_TRUE(talk.seen.to->is_local);
    EXPECT_EQ(talk.seen.source, client());
    EXPECT_EQ(talk.seen.source_port, packet.source_port);
    answer(talk);
}

TEST_P(Policy, ClusterEndpointElsewhereSeesThisNode) {
    serve({at(b1)});
    const Talk talk = begin();
    EXPECT_FALSE(talk.seen.to->is_local);
    EXPECT_EQ(talk.seen.source, node());
    answer(talk);
}

TEST_P(Policy, LocalReachesThisNodesEndpointsOnlyAndTheySeeTheClientAndItsPort) {
    serve({at(a1), at(a2), at(b1), at(c1)}, true);
    for (const auto& [address, port] : {std::pair{vip(), PORT}, {external_ip(), PORT}, {node(), NODE_PORT}}) {
        EXPECT_EQ(reached(address, port), "a1 a2");
        const Packet packet = dial(address, port);
        const Talk talk = begin(packet);
        EXPECT_EQ(talk.seen.source, client());
        EXPECT_EQ(talk.seen.source_port, packet.source_port);
    }
}

TEST_P(Policy, LocalClientOfTheClusterFallsBackToCluster) {
    serve({at(a1), at(b1)}, true);
    EXPECT_EQ(reached(pod_client(), vip(), PORT), "a1 b1");
    EXPECT_EQ(reached(pod_client(), node(), NODE_PORT), "a1 b1");
    set_endpoints({at(b1)});
    in_force();
    EXPECT_EQ(reached(pod_client(), vip(), PORT), "b1");
}

TEST_P(Policy, LocalWithoutClusterRangesKnowsNoClientOfTheCluster) {
    world.cluster_ranges.clear();
    serve({at(a1), at(b1)}, true);
    EXPECT_EQ(reached(pod_client(), vip(), PORT), "a1");
}

TEST_P(Policy, LocalWithoutEndpointHereDropsSilentlyAndCounts) {
    serve({at(b1), not_ready(at(a1))}, true);
    const auto before = counted(DROP_NO_LOCAL_ENDPOINT);
    expect_outcome(dial(vip(), PORT), Outcome::NO_LOCAL_ENDPOINT);
    expect_outcome(dial(external_ip(), PORT), Outcome::NO_LOCAL_ENDPOINT);
    expect_outcome(dial(node(), NODE_PORT), Outcome::NO_LOCAL_ENDPOINT);
    EXPECT_EQ(counted(DROP_NO_LOCAL_ENDPOINT), before + 3);
    EXPECT_EQ(datapath().flows().size(), 0u);
}

TEST_P(Policy, LocalWithoutEndpointAnywhereRefuses) {
    serve({not_ready(at(a1)), not_ready(at(b1))}, true);
    expect_outcome(dial(), refusal());
    expect_outcome(dial(pod_client(), vip(), PORT), refusal());
}

TEST_P(Policy, LocalFallsBackToTerminatingEndpointsHere) {
    serve({terminating(at(a1), true), terminating(at(a2), false), at(b1)}, true);
    EXPECT_EQ(reached(), "a1");
    EXPECT_EQ(reached(pod_client(), vip(), PORT), "b1");
}

TEST_P(Policy, LocalReadyEndpointHereKeepsTerminatingOnesFree) {
    serve({terminating(at(a1), true), at(a2)}, true);
    EXPECT_EQ(reached(), "a2");
}

TEST_P(Policy, ClusterFallsBackToTerminatingEndpointsIfNothingIsReady) {
    serve({terminating(at(a1), true), terminating(at(b1), true), terminating(at(c1), false), not_ready(at(a2))});
    EXPECT_EQ(reached(), "a1 b1");
    endpoints().push_back(at(b2));
    in_force();
    EXPECT_EQ(reached(), "b2");
}

TEST_P(Policy, TerminatingEndpointsThatDoNotServeAreNoEndpoints) {
    serve({terminating(at(a1), false), terminating(at(b1), false)});
    expect_outcome(dial(), refusal());
}

TEST_P(Policy, EndpointOfWhichNothingIsSaidIsReady) {
    Endpoint silent = at(a1);
    silent.ready = silent.serving = silent.terminating = std::nullopt;
    serve({silent, not_ready(at(b1))});
    EXPECT_EQ(reached(), "a1");
}

TEST_P(Policy, ServingFollowsReadyIfNothingIsSaid) {
    Endpoint leaving = terminating(at(a1), true);
    leaving.serving = std::nullopt;
    serve({leaving});
    expect_outcome(dial(), refusal());
}

// publishNotReadyAddresses reaches a proxy this way.
TEST_P(Policy, ReadyCountsEvenOfATerminatingEndpoint) {
    Endpoint published = at(a1);
    published.terminating = true;
    serve({published, terminating(at(b1), true)});
    EXPECT_EQ(reached(), "a1");
}

TEST_P(Policy, ZoneHintsOfAllKeepTrafficInTheZone) {
    serve({in_zone(at(a1), "zone-2"), in_zone(at(b1), "zone-1"), in_zone(at(c1), "zone-1")});
    EXPECT_EQ(reached(), "b1 c1");
}

TEST_P(Policy, ZoneHintsOfSomeCountForNothing) {
    serve({at(a1), in_zone(at(b1), "zone-1"), in_zone(at(c1), "zone-2")});
    EXPECT_EQ(reached(), "a1 b1 c1");
}

TEST_P(Policy, ZoneHintsForOtherZonesOnlyCountForNothing) {
    serve({in_zone(at(a1), "zone-2"), in_zone(at(b1), "zone-3")});
    EXPECT_EQ(reached(), "a1 b1");
}

TEST_P(Policy, ZoneHintsOfEndpointsThatAreNotReadyDoNotCount) {
    serve({not_ready(in_zone(at(a1), "zone-1")), in_zone(at(b1), "zone-2"), in_zone(at(c1), "zone-3")});
    EXPECT_EQ(reached(), "b1 c1");
    set_endpoints({not_ready(at(a1)), in_zone(at(b1), "zone-1"), in_zone(at(c1), "zone-3")});
    in_force();
    EXPECT_EQ(reached(), "b1");
}

TEST_P(Policy, ZoneHintsWithoutAZoneOfTheNodeCountForNothing) {
    world.zone.clear();
    serve({in_zone(at(a1), "zone-1"), in_zone(at(b1), "zone-2")});
    EXPECT_EQ(reached(), "a1 b1");
}

TEST_P(Policy, NodeHintsOfAllKeepTrafficOnTheNode) {
    serve({for_node(at(a1), "node-a"), for_node(at(a2), "node-b"), for_node(at(b1), "node-b")});
    EXPECT_EQ(reached(), "a1");
}

TEST_P(Policy, NodeHintsWinOverZoneHints) {
    serve({in_zone(for_node(at(a1), "node-a"), "zone-2"), in_zone(for_node(at(b1), "node-b"), "zone-1")});
    EXPECT_EQ(reached(), "a1");
}

TEST_P(Policy, NodeHintsForOthersOnlyFallBackToZoneHints) {
    serve({in_zone(for_node(at(b1), "node-b"), "zone-1"), in_zone(for_node(at(c1), "node-c"), "zone-2")});
    EXPECT_EQ(reached(), "b1");
}

TEST_P(Policy, HintsDoNotNarrowLocal) {
    serve({in_zone(at(a1), "zone-2"), in_zone(at(a2), "zone-1"), in_zone(at(b1), "zone-1")}, true);
    EXPECT_EQ(reached(), "a1 a2");
    EXPECT_EQ(reached(pod_client(), vip(), PORT), "a2 b1");
}

TEST_P(Policy, TerminatingFallbackIgnoresHints) {
    serve({in_zone(terminating(at(a1), true), "zone-2"), in_zone(terminating(at(b1), true), "zone-1")});
    EXPECT_EQ(reached(), "a1 b1");
}

TEST_P(Policy, EndpointInTwoSlicesIsOneAndLocalIfOneSaysSo) {
    Endpoint elsewhere = at(a1);
    elsewhere.node.clear();
    serve({elsewhere, at(b1)}, true);
    expect_outcome(dial(), Outcome::NO_LOCAL_ENDPOINT);
    orders().slices.push_back(orders().slices.front());
    orders().slices.back().endpoints = {at(a1)};
    in_force();
    EXPECT_EQ(reached(), "a1");
}

TEST_P(Policy, NamedTargetPortsMayDifferFromSliceToSlice) {
    serve({at(a1)});
    orders().slices.push_back(orders().slices.front());
    orders().slices.back().ports.front().port = 9090;
    orders().slices.back().endpoints = {at(b1)};
    in_force();
    std::set<std::string> targets;
    for (int i = 0; i < 40; i++) {
        const Talk talk = begin();
        targets.insert(name_of(talk.seen.to->address) + ' ' + std::to_string(talk.seen.to->port));
        answer(talk);
    }
    EXPECT_EQ(targets, (std::set<std::string>{"a1 8080", "b1 9090"}));
}

TEST_P(Policy, PortsOfOneServiceAreServedEachByItself) {
    orders() = orders_with({at(a1)});
    const Protocol other = is_tcp() ? Protocol::UDP : Protocol::TCP;
    const Protocol own = is_tcp() ? Protocol::TCP : Protocol::UDP;
    orders().ports = {{.name = "one", .protocol = own, .port = PORT, .node_port = NODE_PORT},
                      {.name = "same", .protocol = other, .port = PORT, .node_port = NODE_PORT},
                      {.name = "more", .protocol = own, .port = 81, .node_port = 30081}};
    orders().slices.front().ports = {{.name = "one", .protocol = own, .port = 8080},
                                     {.name = "same", .protocol = other, .port = 8081},
                                     {.name = "more", .protocol = own, .port = 8082}};
    in_force();
    EXPECT_EQ(begin(dial(vip(), PORT)).seen.to->port, 8080);
    EXPECT_EQ(begin(dial(node(), NODE_PORT)).seen.to->port, 8080);
    EXPECT_EQ(begin(dial(vip(), 81)).seen.to->port, 8082);
    EXPECT_EQ(begin(dial(node(), 30081)).seen.to->port, 8082);
    Packet packet = dial(vip(), PORT);
    packet.protocol = other;
    packet.flags = other == Protocol::TCP ? SYN : 0;
    EXPECT_EQ(begin(packet).seen.to->port, 8081);
}

TEST_P(Policy, AnotherProxysServiceIsNotOurs) {
    serve({at(a1)});
    orders().is_another_proxys = true;
    in_force();
    expect_outcome(dial(node(), NODE_PORT), Outcome::PASSED);
    expect_outcome(dial(vip(), PORT), Outcome::PASSED);
    orders().is_another_proxys = false;
    in_force();
    EXPECT_EQ(reached(), "a1");
}

TEST_P(Policy, ServiceThatBecomesOrCeasesToBeClusterIpOnly) {
    serve({at(a1)});
    orders().type = Service::Type::CLUSTER_IP;
    orders().external_ips.clear();
    in_force();
    expect_outcome(dial(node(), NODE_PORT), Outcome::PASSED);
    expect_outcome(dial(vip(), PORT), Outcome::PASSED);
    orders().type = Service::Type::NODE_PORT;
    in_force();
    EXPECT_EQ(reached(node(), NODE_PORT), "a1");
    expect_outcome(dial(vip(), PORT), Outcome::PASSED);
}

TEST_P(Policy, NodePortAndPortChange) {
    serve({at(a1)});
    orders().ports.front().node_port = 30099;
    orders().ports.front().port = 99;
    in_force();
    EXPECT_EQ(reached(node(), 30099), "a1");
    EXPECT_EQ(reached(vip(), 99), "a1");
    expect_outcome(dial(node(), NODE_PORT), Outcome::PASSED);
    expect_outcome(dial(vip(), PORT), Outcome::VIP_OTHER_PORT);
}

TEST_P(Policy, RecreatedServiceIsServedAgain) {
    serve({at(a1)});
    const Service kept = orders();
    world.services.clear();
    in_force();
    expect_outcome(dial(node(), NODE_PORT), Outcome::PASSED);
    world.services["orders"] = kept;
    in_force();
    EXPECT_EQ(reached(node(), NODE_PORT), "a1");
}

INSTANTIATE_TEST_SUITE_P(, Policy, testing::ValuesIn(test::all_cases()),
                         [](const auto& info) { return to_string(info.param); });

// ---- --nodeport-addresses

class NodePortAddressesTest : public ContractTest {
protected:
    void serve() {
        orders() = orders_with({at(a1)});
        in_force();
    }
    Address storage() const { return of(node_a_storage); }
};

TEST_P(NodePortAddressesTest, PrimaryAreTheNodesInternalIps) {
    serve();
    EXPECT_EQ(reached(node(), NODE_PORT), "a1");
    expect_outcome(dial(storage(), NODE_PORT), Outcome::PASSED);
}

TEST_P(NodePortAddressesTest, AllAreThoseOfTheDevices) {
    world.node_ports_everywhere = true;
    serve();
    EXPECT_EQ(reached(node(), NODE_PORT), "a1");
    EXPECT_EQ(reached(storage(), NODE_PORT), "a1");
}

TEST_P(NodePortAddressesTest, RangesChooseAmongThem) {
    world.node_port_ranges = {{"198.18.1.0", 24}, {"2001:db8:18:1::", 64}};
    serve();
    EXPECT_EQ(reached(storage(), NODE_PORT), "a1");
    expect_outcome(dial(node(), NODE_PORT), Outcome::PASSED);
}

TEST_P(NodePortAddressesTest, RangesOfOneFamilyCloseTheOther) {
    world.node_port_ranges = {version() == 4 ? Prefix{"::", 0} : Prefix{"0.0.0.0", 0}};
    serve();
    expect_outcome(dial(node(), NODE_PORT), Outcome::PASSED);
    expect_outcome(dial(storage(), NODE_PORT), Outcome::PASSED);
    EXPECT_EQ(reached(vip(), PORT), "a1");
}

INSTANTIATE_TEST_SUITE_P(, NodePortAddressesTest, testing::ValuesIn(test::all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::contract
