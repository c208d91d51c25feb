// SPDX-License-Identifier: Apache-2.0
// What a Service may ask for beside frontends and endpoints: policies, affinity, source ranges; whole load-balancer
// addresses; where NodePorts are served; which endpoints of UDP are gone. Names: node-a is the own node.
#include <algorithm>

#include "plan_support.h"

namespace shunt::test {
namespace {

const ServiceKey kWeb{.name = {"shop", "web"}, .port = 80};
const ServiceKey kDns{.name = {"shop", "dns"}, .port = 53, .protocol = UDP};

Service load_balancer(const std::string& name, const std::vector<std::string>& ingress) {
    Service result = node_port_service(name, 0);
    result.type = ServiceType::load_balancer;
    for (const std::string& address : ingress) {
        result.ingress_ips.push_back(ip(address));
    }
    return result;
}

Endpoint finishing(const std::string& address, const std::string& on_node) {
    Endpoint result = endpoint(address, on_node, false);
    result.serving = result.terminating = true;
    return result;
}

template <typename Operation>
std::ptrdiff_t first_of(const Plan& plan) {
    return std::ranges::find_if(plan.operations,
                                [](const MapOperation& one) { return std::holds_alternative<Operation>(one); }) -
           plan.operations.begin();
}

class PolicyTest : public testing::Test, public Cluster {
protected:
    PolicyTest() { put(node("node-a", {"198.18.0.21", "2001:db8::21"})).put(node("node-b", {"198.18.0.22"})); }

    void put_web(TrafficPolicy policy, std::vector<Endpoint> endpoints) {
        Service web = node_port_service("web", 30080);
        web.external_traffic_policy = policy;
        put(web).put(slice("web-1", "web", std::move(endpoints)));
    }
    std::set<std::string> reached(const std::map<std::string, FakeMaps::Answer>& answers) const {
        std::set<std::string> result;
        for (const auto& [identity, placement] : std::get<2>(answers.at("198.18.0.21 30080 tcp"))) {
            result.insert(identity.address.to_string());
        }
        return result;
    }
    using Addresses = std::set<std::string>;
};

TEST_F(PolicyTest, LocalHasASliceOfEachSet) {
    put_web(TrafficPolicy::local, {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")});
    EXPECT_TRUE(plan().warnings.empty());
    EXPECT_EQ(maps.find(kWeb)->external_policy, POLICY_LOCAL);
    EXPECT_EQ(maps.find(kWeb)->treatment, SERVED);
    EXPECT_EQ(reached(maps.answers()), (Addresses{"198.19.0.1", "198.19.0.2"}));
    EXPECT_EQ(reached(maps.local_answers()), Addresses{"198.19.0.1"});
}

TEST_F(PolicyTest, ClusterHasNoLocalSlice) {
    put_web(TrafficPolicy::cluster, {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")});
    plan();
    EXPECT_EQ(maps.find(kWeb)->external_policy, POLICY_CLUSTER);
    EXPECT_EQ(maps.find(kWeb)->local_slice, 0U);
}

TEST_F(PolicyTest, LocalWithoutALocalEndpointKeepsTheClusterSet) {
    put_web(TrafficPolicy::local, {endpoint("198.19.0.2", "node-b"), endpoint("198.19.0.1", "node-a", false)});
    plan();
    EXPECT_EQ(maps.find(kWeb)->local_slice, 0U);
    EXPECT_EQ(reached(maps.answers()), Addresses{"198.19.0.2"});
    EXPECT_EQ(maps.frontends.size(), 1U);
}

TEST_F(PolicyTest, EachSetFallsBackForItself) {
    put_web(TrafficPolicy::local, {finishing("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")});
    plan();
    EXPECT_EQ(reached(maps.local_answers()), Addresses{"198.19.0.1"});
    EXPECT_EQ(reached(maps.answers()), Addresses{"198.19.0.2"});
    for (const auto& [id, value] : maps.backends) {
        EXPECT_NE(value.slots, 0U) << "each takes new flows of somebody";
    }
}

TEST_F(PolicyTest, AChangeOfPolicyTakesAndGivesBackTheLocalSliceOnly) {
    const std::vector<Endpoint> endpoints{endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")};
    put_web(TrafficPolicy::cluster, endpoints);
    plan();
    const std::uint64_t slice = maps.find(kWeb)->slice;
    const std::uint32_t in_use = state.slices.in_use();
    put_web(TrafficPolicy::local, endpoints);
    plan();
    EXPECT_EQ(maps.find(kWeb)->slice, slice);
    EXPECT_EQ(SERVICE_SLICE_SIZE(maps.find(kWeb)->local_slice), 251U);
    put_web(TrafficPolicy::cluster, endpoints);
    plan();
    EXPECT_EQ(maps.find(kWeb)->slice, slice);
    EXPECT_EQ(maps.find(kWeb)->local_slice, 0U);
    EXPECT_EQ(state.slices.in_use(), in_use);
}

TEST_F(PolicyTest, ALocalSliceThatFindsNoRoomGivesTheOtherOneBack) {
    Cluster small({.slots = 400});
    small.put(node("node-a", {"198.18.0.21"}));
    Service web = node_port_service("web", 30080);
    web.external_traffic_policy = TrafficPolicy::local;
    small.put(web).put(slice("web-1", "web", {endpoint("198.19.0.1", "node-a")}));
    EXPECT_EQ(small.plan().warnings,
              std::vector<std::string>{"shop/web:80 is left to the stack: the map slots has no 251 free ones in a row"});
    EXPECT_EQ(small.state.slices.in_use(), 0U);
}

TEST_F(PolicyTest, ZoneOfTheOwnNodeDecidesAndIsFollowed) {
    Endpoint here = endpoint("198.19.0.1", "node-b");
    here.zone_hints = {"zone-a"};
    Endpoint there = endpoint("198.19.0.2", "node-b");
    there.zone_hints = {"zone-b"};
    put_web(TrafficPolicy::cluster, {here, there});
    plan();
    EXPECT_EQ(reached(maps.answers()), (Addresses{"198.19.0.1", "198.19.0.2"})) << "the Node has no zone";
    Node own = node("node-a", {"198.18.0.21"});
    own.zone = "zone-b";
    put(own);
    plan();
    EXPECT_EQ(reached(maps.answers()), Addresses{"198.19.0.2"});
}

TEST_F(PolicyTest, AffinityIsRecordedWithItsTimeout) {
    Service web = node_port_service("web", 30080);
    web.affinity_timeout_s = 600;
    put(web);
    EXPECT_TRUE(plan().warnings.empty());
    EXPECT_EQ(maps.find(kWeb)->treatment, SERVED);
    EXPECT_EQ(maps.find(kWeb)->affinity_timeout_s, 600U);
}

// --- Source ranges

TEST_F(PolicyTest, RangesAreWrittenBeforeTheServiceAndDeletedAfter) {
    Service web = load_balancer("web", {"203.0.113.10"});
    web.source_ranges = {prefix("192.0.2.0/24"), prefix("198.51.100.0/24")};
    put(web);
    const Plan first = plan();
    EXPECT_LT(first_of<PutSourceRange>(first), first_of<PutService>(first));
    EXPECT_EQ(maps.find(kWeb)->source_ranges, 2U);
    EXPECT_EQ(maps.ranges_of(maps.id_of(kWeb)), (std::set<std::string>{"192.0.2.0/24", "198.51.100.0/24"}));

    web.source_ranges = {};
    put(web);
    const Plan opened = plan();
    EXPECT_LT(first_of<PutService>(opened), first_of<DeleteSourceRange>(opened));
    EXPECT_EQ(maps.find(kWeb)->source_ranges, 0U);

    web.source_ranges = {prefix("192.0.2.0/24")};
    put(web);
    plan();
    web.source_ranges = {prefix("203.0.113.0/28")};
    put(web);
    EXPECT_EQ(plan().operations.size(), 2U) << "the service itself stays as it is";
    remove_service(snapshot, web.name, change);
    const Plan removed = plan();
    EXPECT_LT(first_of<DeleteService>(removed), first_of<DeleteSourceRange>(removed));
    EXPECT_TRUE(maps.source_ranges.empty());
    EXPECT_EQ(state.range_count, 0U);
}

TEST_F(PolicyTest, RangesOfTheOtherFamilyAloneLetNobodyIn) {
    Service web = load_balancer("web", {"203.0.113.10", "2001:db8:f::10"});
    web.source_ranges = {prefix("2001:db8:7::/48")};
    put(web);
    plan();
    ServiceKey web6 = kWeb;
    web6.family = IPV6;
    EXPECT_NE(maps.find(kWeb)->source_ranges, 0U);
    EXPECT_TRUE(maps.ranges_of(maps.id_of(kWeb)).empty());
    EXPECT_EQ(maps.ranges_of(maps.id_of(web6)), std::set<std::string>{"2001:db8:7::/48"});
}

TEST_F(PolicyTest, RangesThatAreNoneAreNamedOnceAndIfNoOtherIsLeftNobodyComes) {
    Service web = load_balancer("web", {"203.0.113.10"});
    web.source_ranges = {prefix("192.0.2.0/24")};
    web.unreadable_source_ranges = {"anywhere"};
    put(web);
    const std::string words = "shop/web: loadBalancerSourceRanges are prefixes like 192.0.2.0/24; left out: anywhere";
    EXPECT_EQ(plan().warnings, std::vector<std::string>{words});
    put(slice("web-1", "web", {endpoint("198.19.0.1", "node-a")}));
    EXPECT_TRUE(plan().warnings.empty()) << "said once";
    web.source_ranges.clear();
    web.unreadable_source_ranges = {"10.0.0.0/33", "anywhere"};
    put(web);
    EXPECT_EQ(plan().warnings,
              std::vector<std::string>{"shop/web: loadBalancerSourceRanges are prefixes like 192.0.2.0/24; left out: 10.0.0.0/33, "
                                       "anywhere; no other is left, so nobody may come"});
    EXPECT_NE(maps.find(kWeb)->source_ranges, 0U);
    EXPECT_TRUE(maps.ranges_of(maps.id_of(kWeb)).empty());
}

TEST_F(PolicyTest, ClusterRangesComeFirstAndFollowTheOption) {
    options.cluster_ranges = {prefix("198.19.0.0/16"), prefix("2001:db8:1::/48")};
    put_web(TrafficPolicy::local, {});
    const Plan first = plan();
    EXPECT_LT(first_of<PutSourceRange>(first), first_of<PutService>(first));
    EXPECT_EQ(maps.ranges_of(CLUSTER_RANGES), (std::set<std::string>{"198.19.0.0/16", "2001:db8:1::/48"}));
    restart();
    EXPECT_TRUE(plan().operations.empty());
    options.cluster_ranges = {prefix("198.19.0.0/16")};
    plan();
    EXPECT_EQ(maps.ranges_of(CLUSTER_RANGES), std::set<std::string>{"198.19.0.0/16"});
}

// --- Whole load-balancer addresses

TEST_F(PolicyTest, AnAddressIsHeldWholeAsLongAsSomeServiceHasIt) {
    Service web = load_balancer("web", {"203.0.113.10"});
    Service api = load_balancer("api", {"203.0.113.10", "2001:db8:f::10"});
    api.ports.front().port = 8080;
    put(web).put(api);
    const Plan first = plan();
    EXPECT_EQ(maps.whole_addresses(), (std::set<std::string>{"203.0.113.10", "2001:db8:f::10"}));
    EXPECT_EQ(maps.vips, 2U);
    EXPECT_LT(first_of<PutFrontend>(first), first_of<SetVips>(first));
    remove_service(snapshot, web.name, change);
    plan();
    EXPECT_EQ(maps.vips, 2U);
    remove_service(snapshot, api.name, change);
    const Plan last = plan();
    EXPECT_EQ(maps.vips, 0U);
    EXPECT_TRUE(maps.frontends.empty());
    // The ports are the last to go.
    EXPECT_EQ(std::get<DeleteFrontend>(last.operations[first_of<DeleteFrontend>(last)]).key.protocol, ANY_PROTOCOL);
}

TEST_F(PolicyTest, AnAddressOfADeviceIsNotHeldAndNoServiceIsPlannedAgainForIt) {
    options.device_addresses = {ip("198.18.0.21"), ip("203.0.113.10")};
    put(load_balancer("web", {"203.0.113.10", "203.0.113.11"}));
    plan();
    EXPECT_EQ(maps.whole_addresses(), std::set<std::string>{"203.0.113.11"});
    options.device_addresses = {ip("198.18.0.21"), ip("203.0.113.11"), ip("192.0.2.77")};
    const Plan moved = plan();
    EXPECT_EQ(maps.whole_addresses(), std::set<std::string>{"203.0.113.10"});
    EXPECT_EQ(moved.operations.size(), 2U);
    options.device_addresses = std::nullopt;  // they could not be read: those of before count
    EXPECT_TRUE(plan().operations.empty());
}

TEST_F(PolicyTest, NothingIsHeldBeforeTheDevicesAreKnown) {
    options.device_addresses = std::nullopt;
    put(load_balancer("web", {"203.0.113.10"}));
    plan();
    EXPECT_TRUE(maps.whole_addresses().empty());
    options.device_addresses.emplace();
    plan();
    EXPECT_EQ(maps.whole_addresses(), std::set<std::string>{"203.0.113.10"});
}

TEST_F(PolicyTest, ExternalIpsAndNodePortsAreNotHeldWhole) {
    Service web = node_port_service("web", 30080);
    web.external_ips = {ip("203.0.113.20")};
    put(web);
    plan();
    EXPECT_TRUE(maps.whole_addresses().empty());
    EXPECT_EQ(maps.vips, 0U);
}

// --- Where NodePorts are served

std::set<std::string> node_ports(const FakeMaps& maps) {
    std::set<std::string> result;
    for (const auto& [key, value] : maps.frontends) {
        result.insert(address_of(key).to_string());
    }
    return result;
}

struct AddressCase {
    const char* name;
    NodePortAddresses wanted;
    std::set<std::string> expected;
};
void PrintTo(const AddressCase& one, std::ostream* out) { *out << one.name; }

class NodePortAddressTest : public testing::TestWithParam<AddressCase> {};

TEST_P(NodePortAddressTest, AreThose) {
    Cluster cluster;
    cluster.options.node_port_addresses = GetParam().wanted;
    cluster.options.device_addresses = {ip("198.18.0.21"), ip("198.18.1.21"), ip("2001:db8::21"), ip("2001:db8:1::21")};
    cluster.put(node("node-a", {"198.18.0.21", "2001:db8::21"}));
    Service web = node_port_service("web", 30080);
    EndpointSlice six = slice("web-6", "web", {endpoint("2001:db8:9::1", "node-b")});
    six.family = IPV6;
    cluster.put(web).put(six);
    cluster.plan();
    EXPECT_EQ(node_ports(cluster.maps), GetParam().expected);
}

using Kind = NodePortAddresses::Kind;
INSTANTIATE_TEST_SUITE_P(
    Each, NodePortAddressTest,
    testing::Values(
        AddressCase{"primary", {}, {"198.18.0.21", "2001:db8::21"}},
        AddressCase{"all", {Kind::all, {}}, {"198.18.0.21", "198.18.1.21", "2001:db8::21", "2001:db8:1::21"}},
        AddressCase{"in_a_prefix_and_the_other_family_is_closed", {Kind::prefixes, {prefix("198.18.1.0/24")}}, {"198.18.1.21"}},
        AddressCase{"in_two_prefixes",
                    {Kind::prefixes, {prefix("198.18.0.0/16"), prefix("2001:db8:1::/48")}},
                    {"198.18.0.21", "198.18.1.21", "2001:db8:1::21"}},
        AddressCase{"in_none", {Kind::prefixes, {prefix("192.0.2.0/24")}}, {}}),
    [](const auto& info) { return info.param.name; });

TEST_F(PolicyTest, NodePortsFollowTheAddressesOfDevices) {
    options.node_port_addresses.kind = Kind::all;
    options.device_addresses = std::nullopt;
    put_web(TrafficPolicy::cluster, {});
    EXPECT_EQ(plan().waiting_for, "the addresses of this node's devices");
    options.device_addresses = {ip("198.18.0.21")};
    plan();
    EXPECT_EQ(node_ports(maps), std::set<std::string>{"198.18.0.21"});
    options.device_addresses = {ip("198.18.0.99")};
    plan();
    EXPECT_EQ(node_ports(maps), std::set<std::string>{"198.18.0.99"});
    options.node_port_addresses = {Kind::prefixes, {prefix("192.0.2.0/24"), prefix("2001:db8::/32")}};
    EXPECT_EQ(plan().warnings,
              std::vector<std::string>{
                  "Node node-a has no address of --nodeport-addresses 192.0.2.0/24,2001:db8::/32: no NodePort is served"});
}

// --- Endpoints of UDP that are gone

class GoneTest : public PolicyTest {
protected:
    GoneTest() {
        Service dns = node_port_service("dns", 30053);
        dns.ports = {{.protocol = UDP, .port = 53, .node_port = 30053}};
        put(dns);
        put_endpoints({endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")});
        plan();
    }
    void put_endpoints(std::vector<Endpoint> endpoints, std::uint16_t port = 5353) {
        EndpointSlice one = slice("dns-1", "dns", std::move(endpoints), port);
        one.ports.front().protocol = UDP;
        put(one);
    }
    // "ADDRESS:PORT" of those of dns.
    static Addresses gone(const Plan& plan, std::uint32_t id) {
        Addresses result;
        for (const GoneEndpoint& one : plan.gone) {
            EXPECT_EQ(one.service, kDns);
            EXPECT_EQ(one.service_id, id);
            result.insert(one.endpoint.address.to_string() + ':' + std::to_string(one.endpoint.port));
        }
        return result;
    }
    std::uint32_t id() const { return maps.id_of(kDns); }
};

TEST_F(GoneTest, RemovedEndpoint) {
    put_endpoints({endpoint("198.19.0.1", "node-a")});
    EXPECT_EQ(gone(plan(), id()), Addresses{"198.19.0.2:5353"});
}

TEST_F(GoneTest, AnotherTargetPort) {
    put_endpoints({endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")}, 5354);
    EXPECT_EQ(gone(plan(), id()), (Addresses{"198.19.0.1:5353", "198.19.0.2:5353"}));
}

TEST_F(GoneTest, NoEndpointsAtAllAndDeletedService) {
    const std::uint32_t before = id();
    const Addresses all{"198.19.0.1:5353", "198.19.0.2:5353"};
    Cluster deleted = *this;
    put_endpoints({});
    EXPECT_EQ(gone(plan(), before), all);
    remove_service(deleted.snapshot, kDns.name, deleted.change);
    EXPECT_EQ(gone(deleted.plan(), before), all);
}

TEST_F(GoneTest, StaysWhileItServesAndGoesWhenItNoLongerDoes) {
    put_endpoints({finishing("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")});
    EXPECT_TRUE(plan().gone.empty());
    Endpoint terminating = endpoint("198.19.0.1", "node-a", false);
    terminating.terminating = true;
    put_endpoints({terminating, endpoint("198.19.0.2", "node-b", false)});
    EXPECT_EQ(gone(plan(), id()), (Addresses{"198.19.0.1:5353", "198.19.0.2:5353"}));
    put_endpoints({});
    EXPECT_TRUE(plan().gone.empty()) << "said already";
}

TEST_F(GoneTest, TcpIsLeftToFinish) {
    put_web(TrafficPolicy::cluster, {endpoint("198.19.0.1", "node-a")});
    plan();
    put_web(TrafficPolicy::cluster, {});
    EXPECT_TRUE(plan().gone.empty());
}

TEST_F(GoneTest, ARestartKnowsWhatGoes) {
    restart();
    put_endpoints({endpoint("198.19.0.1", "node-a")});
    EXPECT_EQ(gone(plan(), id()), Addresses{"198.19.0.2:5353"});
}

}  // namespace
}  // namespace shunt::test
