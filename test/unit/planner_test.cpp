// SPDX-License-Identifier: Apache-2.0
// One change after the other, by hand. Names: node-a is the own node.
#include <algorithm>

#include "plan_support.h"

namespace shunt::test {
namespace {

const ServiceKey kWeb{.name = {"shop", "web"}, .port = 80};

template <typename Operation>
std::size_t count(const Plan& plan) {
    std::size_t result = 0;
    for (const MapOperation& operation : plan.operations) {
        result += std::holds_alternative<Operation>(operation) ? 1 : 0;
    }
    return result;
}

class PlannerTest : public testing::Test, public Cluster {
protected:
    PlannerTest() { put(node("node-a", {"198.18.0.21"})).put(node("node-b", {"198.18.0.22"})); }
    void put_web() {
        put(node_port_service("web", 30080));
        put(slice("web-1", "web", {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")}));
    }
    service_treatment treatment(const ServiceKey& key) const {
        const service* found = maps.find(key);
        return found != nullptr ? found->treatment : service_treatment{};
    }
};

TEST_F(PlannerTest, WaitsForTheOwnNodeThenPlansEverything) {
    remove_node(snapshot, "node-a", change);
    put_web();
    const Plan waiting = plan();
    EXPECT_EQ(waiting.waiting_for, "Node node-a");
    EXPECT_TRUE(waiting.operations.empty());
    put(node("node-a", {"198.18.0.21"}));
    EXPECT_TRUE(plan().waiting_for.empty());
    EXPECT_EQ(treatment(kWeb), SERVED);
}

TEST_F(PlannerTest, NodePortService) {
    put_web();
    const Plan first = plan();
    EXPECT_TRUE(first.warnings.empty());
    EXPECT_EQ(count<PutBackend>(first), 2U);
    EXPECT_EQ(count<WriteSlots>(first), 1U);
    EXPECT_EQ(count<PutService>(first), 1U);
    EXPECT_EQ(count<PutFrontend>(first), 1U);
    EXPECT_EQ(first.operations.size(), 5U);
    const auto answers = maps.answers();
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(
        answers.at("198.18.0.21 30080 tcp"),
        (FakeMaps::Answer{kWeb,
                          FRONTEND_NODE_PORT,
                          {{{ip("198.19.0.1"), 8080}, BACKEND_LOCAL}, {{ip("198.19.0.2"), 8080}, BACKEND_REMOTE}}}));
    const service& web = *maps.find(kWeb);
    EXPECT_EQ(web.type, SERVICE_NODE_PORT);
    EXPECT_EQ(web.node_port, 30080);
    EXPECT_EQ(SERVICE_SLICE_SIZE(web.slice), 251U);
    EXPECT_EQ(state.treatments[SERVED], 1U);
    EXPECT_TRUE(plan().operations.empty());
}

TEST_F(PlannerTest, LoadBalancerHasNodePortIngressAndExternalAddresses) {
    Service web = node_port_service("web", 30080);
    web.type = ServiceType::load_balancer;
    web.ingress_ips = {ip("203.0.113.10")};
    web.external_ips = {ip("203.0.113.20"), ip("203.0.113.10")};
    put(web);
    plan();
    std::map<std::uint16_t, std::set<frontend_kind>> kinds;
    for (const auto& [key, value] : maps.frontends) {
        kinds[key.port].insert(value.kind);
    }
    EXPECT_EQ(maps.frontends.size(), 4U);
    EXPECT_EQ(maps.frontends.at(frontend_at("203.0.113.10", 80)).kind, FRONTEND_LOAD_BALANCER);
    EXPECT_EQ(maps.frontends.at(frontend_at("203.0.113.10", 0, ANY_PROTOCOL)).kind, FRONTEND_ADDRESS);
    EXPECT_EQ(maps.frontends.at(frontend_at("203.0.113.20", 80)).kind, FRONTEND_EXTERNAL_IP);
    EXPECT_EQ(maps.frontends.at(frontend_at("198.18.0.21", 30080)).kind, FRONTEND_NODE_PORT);

    web.type = ServiceType::cluster_ip;  // nodePort and ingress no longer count
    put(web);
    plan();
    EXPECT_EQ(maps.frontends.size(), 2U);
    EXPECT_EQ(maps.frontends.at(frontend_at("203.0.113.10", 80)).kind, FRONTEND_EXTERNAL_IP);
}

TEST_F(PlannerTest, DualStackHasAServiceForEachFamily) {
    put(node("node-a", {"198.18.0.21", "2001:db8::21", "198.18.0.23"}));
    put_web();
    EndpointSlice six = slice("web-6", "web", {endpoint("2001:db8:1::1", "node-b")});
    six.family = IPV6;
    put(six);
    plan();
    ServiceKey web6 = kWeb;
    web6.family = IPV6;
    EXPECT_EQ(treatment(kWeb), SERVED);
    EXPECT_EQ(treatment(web6), SERVED);
    EXPECT_EQ(maps.frontends.size(), 3U);
    EXPECT_TRUE(maps.frontends.contains(frontend_at("2001:db8::21", 30080)));
    EXPECT_TRUE(maps.frontends.contains(frontend_at("198.18.0.23", 30080)));
    remove_slice(snapshot, six.name, change);
    plan();
    EXPECT_EQ(maps.services.size(), 1U);
    EXPECT_EQ(maps.frontends.size(), 2U);
}

TEST_F(PlannerTest, ClusterIpOnlyIsRecordedWithoutBackends) {
    put_web();
    Service web = node_port_service("web", 0);
    web.type = ServiceType::cluster_ip;
    put(web);
    EXPECT_TRUE(plan().warnings.empty());
    EXPECT_EQ(treatment(kWeb), LEFT_NO_EXTERNAL_FRONTEND);
    EXPECT_TRUE(maps.backends.empty());
}

TEST_F(PlannerTest, HeadlessExternalNameAndOtherProxiesAreNotRecorded) {
    Service headless = node_port_service("headless", 30001);
    headless.cluster_ip = "None";
    Service empty = node_port_service("empty", 30002);
    empty.cluster_ip = "";
    Service name = node_port_service("name", 30003);
    name.type = ServiceType::external_name;
    Service other = node_port_service("other", 30004);
    other.labels["service.kubernetes.io/service-proxy-name"] = "";
    put(headless).put(empty).put(name).put(other);
    EXPECT_TRUE(plan().operations.empty());
    other.labels.clear();
    put(other);
    plan();
    EXPECT_EQ(maps.frontends.size(), 1U);
    other.type = ServiceType::external_name;
    put(other);
    plan();
    EXPECT_TRUE(maps.services.empty());
}

TEST_F(PlannerTest, SourceRangesOfANodePortServiceMeanNothing) {
    Service web = node_port_service("web", 30080);
    web.source_ranges = {prefix("192.0.2.0/24")};
    put(web);
    plan();
    EXPECT_EQ(maps.find(kWeb)->source_ranges, 0U);
    EXPECT_TRUE(maps.source_ranges.empty());
}

TEST_F(PlannerTest, NoUsableEndpointKeepsTheFrontend) {
    put_web();
    plan();
    put(slice("web-1", "web", {endpoint("198.19.0.1", "node-a", false)}));
    plan();
    EXPECT_EQ(maps.find(kWeb)->slice, 0U);
    EXPECT_EQ(maps.frontends.size(), 1U);
    ASSERT_EQ(maps.backends.size(), 1U);
    EXPECT_EQ(maps.backends.begin()->second.state, BACKEND_NOT_READY);
    EXPECT_EQ(maps.backends.begin()->second.slots, 0U);
}

TEST_F(PlannerTest, ChangeOfStateAloneWritesNoSlots) {
    put(node_port_service("web", 30080));
    put(slice("web-1", "web", {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b", false)}));
    plan();
    const std::uint64_t before = maps.find(kWeb)->slice;
    EndpointSlice changed =
        slice("web-1", "web", {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b", false)});
    changed.endpoints[1].terminating = true;
    put(changed);
    const Plan second = plan();
    EXPECT_EQ(second.operations.size(), 1U);
    EXPECT_EQ(count<PutBackend>(second), 1U);
    EXPECT_EQ(maps.find(kWeb)->slice, before);
}

TEST_F(PlannerTest, ChangedSetGetsANewSliceAndKeepsIds) {
    put_web();
    plan();
    const auto id_of_first = std::ranges::find_if(maps.backends, [](const auto& entry) {
                                 return identity_of(entry.second).address == ip("198.19.0.1");
                             })->first;
    const std::uint64_t before = maps.find(kWeb)->slice;
    put(slice("web-1", "web", {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.3", "node-b")}));
    const Plan second = plan();
    EXPECT_NE(maps.find(kWeb)->slice, before);
    EXPECT_TRUE(maps.backends.contains(id_of_first));
    EXPECT_EQ(count<WriteSlots>(second), 1U);
    EXPECT_EQ(count<DeleteBackend>(second), 1U);
    EXPECT_TRUE(std::holds_alternative<DeleteBackend>(second.operations.back()));
}

TEST_F(PlannerTest, ServicesAndFrontendsGoWithTheirService) {
    put_web();
    plan();
    remove_service(snapshot, kWeb.name, change);
    plan();
    EXPECT_TRUE(maps.services.empty() && maps.backends.empty() && maps.frontends.empty());
    EXPECT_EQ(state.treatments[SERVED], 0U);
    EXPECT_EQ(state.slices.in_use(), 0U);
}

TEST_F(PlannerTest, TcpAndUdpShareAPortNumber) {
    Service dns = node_port_service("dns", 30053);
    dns.ports = {{.name = "tcp", .port = 53, .node_port = 30053},
                 {.name = "udp", .protocol = UDP, .port = 53, .node_port = 30053}};
    put(dns);
    EXPECT_TRUE(plan().warnings.empty());
    EXPECT_EQ(maps.frontends.size(), 2U);
    EXPECT_EQ(maps.services.size(), 2U);
}

TEST_F(PlannerTest, NodeAddressChangeMovesAllNodePorts) {
    put_web();
    put(node_port_service("api", 30081));
    plan();
    put(node("node-a", {"198.18.0.99"}));
    plan();
    EXPECT_EQ(maps.frontends.size(), 2U);
    EXPECT_TRUE(maps.frontends.contains(frontend_at("198.18.0.99", 30080)));
    put(node("node-b", {"198.18.0.77"}));
    EXPECT_TRUE(plan().operations.empty());
    put(node("node-a", {}));
    const Plan none = plan();
    EXPECT_TRUE(maps.frontends.empty());
    EXPECT_EQ(none.warnings, std::vector<std::string>{"Node node-a has no InternalIP: no NodePort is served"});
}

// --- Two Services, one frontend

Service external(const std::string& name, const std::vector<std::string>& addresses) {
    Service result = node_port_service(name, 0);
    result.type = ServiceType::cluster_ip;
    for (const std::string& address : addresses) {
        result.external_ips.push_back(ip(address));
    }
    return result;
}
const ServiceKey kA{.name = {"shop", "a"}, .port = 80};
const ServiceKey kB{.name = {"shop", "b"}, .port = 80};
const ServiceKey kC{.name = {"shop", "c"}, .port = 80};

TEST_F(PlannerTest, FirstByNameTakesAFrontendThatIsFree) {
    put(external("b", {"203.0.113.1", "203.0.113.2"})).put(external("a", {"203.0.113.1"}));
    const Plan first = plan();
    EXPECT_EQ(treatment(kA), SERVED);
    EXPECT_EQ(treatment(kB), LEFT_FRONTEND_TAKEN);
    EXPECT_EQ(maps.frontends.size(), 1U) << "never half served";
    EXPECT_EQ(first.warnings,
              std::vector<std::string>{"shop/b:80 is left to the stack: shop/a:80 has its frontend 203.0.113.1:80"});
}

// The stack serves the other Service there: no port of the address may be closed to it.
TEST_F(PlannerTest, AddressIsNotWholeWhileAServiceThereIsLeftToTheStack) {
    auto balanced = [](const std::string& name) {
        Service result = external(name, {"203.0.113.1"});
        result.type = ServiceType::load_balancer;
        result.ingress_ips = {ip("203.0.113.9")};
        return result;
    };
    const frontend_key whole = frontend_at("203.0.113.9", 0, ANY_PROTOCOL);
    put(balanced("a"));
    plan();
    EXPECT_TRUE(maps.frontends.contains(whole));
    put(balanced("b"));
    plan();
    EXPECT_EQ(treatment(kB), LEFT_FRONTEND_TAKEN);
    EXPECT_FALSE(maps.frontends.contains(whole));
    remove_service(snapshot, kB.name, change);
    plan();
    EXPECT_TRUE(maps.frontends.contains(whole));
}

TEST_F(PlannerTest, HolderKeepsItsFrontendAndTheOtherTakesOverInOneStep) {
    put(external("b", {"203.0.113.1"}));
    plan();
    put(external("a", {"203.0.113.1", "203.0.113.2"}));
    plan();
    EXPECT_EQ(treatment(kB), SERVED);
    EXPECT_EQ(treatment(kA), LEFT_FRONTEND_TAKEN);
    remove_service(snapshot, kB.name, change);
    const Plan handed_over = plan();
    EXPECT_EQ(treatment(kA), SERVED);
    EXPECT_EQ(maps.frontends.size(), 2U);
    EXPECT_EQ(count<DeleteFrontend>(handed_over), 0U);
}

TEST_F(PlannerTest, WaiterTakesOverWhenTheHolderIsNoLongerServed) {
    options.snat_addresses = {ip("198.18.0.21")};
    put(external("a", {"203.0.113.1"}));
    put(external("b", {"203.0.113.1"}));
    put(slice("b-1", "b", {endpoint("198.19.0.1", "node-a")}));
    plan();
    Service clashing = external("a", {"203.0.113.1"});
    clashing.type = ServiceType::node_port;
    clashing.ports.front().node_port = 20000;
    put(clashing);
    const Plan handed_over = plan();
    EXPECT_EQ(treatment(kA), LEFT_SNAT_PORT_CLASH);
    EXPECT_EQ(std::get<0>(maps.answers().at("203.0.113.1 80 tcp")), kB);
    EXPECT_EQ(count<DeleteFrontend>(handed_over), 0U);
    // The one that lost it is rewritten only when nothing points at it.
    EXPECT_EQ(std::get<PutService>(handed_over.operations.back()).id, maps.id_of(kA));
    put(external("a", {"203.0.113.2"}));
    plan();
    EXPECT_EQ(treatment(kA), SERVED);
}

TEST_F(PlannerTest, FrontendsSwapWithinOneChange) {
    put(external("a", {"203.0.113.1"})).put(external("b", {"203.0.113.2"}));
    plan();
    put(external("a", {"203.0.113.2"})).put(external("b", {"203.0.113.1"}));
    const Plan swapped = plan();
    EXPECT_EQ(count<PutFrontend>(swapped), 2U);
    EXPECT_EQ(swapped.operations.size(), 2U);
    EXPECT_EQ(std::get<0>(maps.answers().at("203.0.113.1 80 tcp")), kB);
}

TEST_F(PlannerTest, ServiceThatGrowsIntoAConflictGivesUpAllAndFreesOthers) {
    put(external("a", {"203.0.113.1"})).put(external("b", {"203.0.113.2"})).put(external("c", {"203.0.113.1"}));
    plan();
    EXPECT_EQ(treatment(kC), LEFT_FRONTEND_TAKEN);
    put(external("a", {"203.0.113.1", "203.0.113.2"}));
    plan();
    EXPECT_EQ(treatment(kA), LEFT_FRONTEND_TAKEN);
    EXPECT_EQ(treatment(kB), SERVED);
    EXPECT_EQ(treatment(kC), SERVED);
    EXPECT_EQ(state.waiting.size(), 1U);
    remove_service(snapshot, kA.name, change);
    plan();
    EXPECT_TRUE(state.waiting.empty());
}

// --- SNAT ports, full maps

TEST_F(PlannerTest, FrontendOnASnatPortIsRefused) {
    options.snat_addresses = {ip("198.18.0.21")};
    put(node_port_service("low", 20000)).put(node_port_service("high", 30080)).put(node_port_service("edge", 26623));
    const Plan first = plan();
    EXPECT_EQ(treatment({.name = {"shop", "low"}, .port = 80}), LEFT_SNAT_PORT_CLASH);
    EXPECT_EQ(treatment({.name = {"shop", "edge"}, .port = 80}), LEFT_SNAT_PORT_CLASH);
    EXPECT_EQ(treatment({.name = {"shop", "high"}, .port = 80}), SERVED);
    EXPECT_EQ(first.warnings.size(), 2U);
    options.snat_addresses = {ip("198.18.0.200")};  // a changed route: all is planned again
    plan();
    EXPECT_EQ(state.treatments[SERVED], 3U);
}

struct FullMap {
    const char* name;
    MapLimits limits;
};
void PrintTo(const FullMap& full, std::ostream* out) {
    *out << full.name;
}

class PlannerFullMapTest : public testing::TestWithParam<FullMap> {};

TEST_P(PlannerFullMapTest, LeavesTheServiceToTheStackAndRetriesOnItsNextChange) {
    Cluster cluster(GetParam().limits);
    cluster.put(node("node-a", {"198.18.0.21"}));
    for (std::string name : {"a", "b"}) {
        Service service = node_port_service(name, name == "a" ? 30001 : 30002);
        service.type = ServiceType::load_balancer;
        service.source_ranges = {prefix("192.0.2.0/24"), prefix("198.51.100.0/24")};
        cluster.put(service);
        cluster.put(slice(name + "-1", name, {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")}));
    }
    const Plan first = cluster.plan();
    EXPECT_EQ(cluster.maps.find(kA)->treatment, SERVED);
    const service* b = cluster.maps.find(kB);
    EXPECT_TRUE(b == nullptr || b->treatment == LEFT_NO_ROOM);
    ASSERT_EQ(first.warnings.size(), 1U);
    EXPECT_NE(first.warnings.front().find(GetParam().name), std::string::npos) << first.warnings.front();

    remove_service(cluster.snapshot, kA.name, cluster.change);
    cluster.plan();
    cluster.options.now_ns += SLOT_GRACE_NS;
    cluster.change.services.insert(kB.name);
    cluster.plan();
    EXPECT_EQ(cluster.maps.find(kB)->treatment, SERVED);
    EXPECT_EQ(cluster.maps.answers().size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Each, PlannerFullMapTest,
                         testing::Values(FullMap{"services", {.services = 1, .slots = 4096}},
                                         FullMap{"backends", {.backends = 3, .slots = 4096}},
                                         FullMap{"frontends", {.frontends = 1, .slots = 4096}},
                                         FullMap{"slots", {.slots = 251}},
                                         FullMap{"source_ranges", {.slots = 4096, .source_ranges = 2}}),
                         [](const auto& info) { return info.param.name; });

// So many changes at once that what they gave back is all that there is.
TEST(Planner, ABurstThatFillsTheSlotsLeavesNothingBehind) {
    Cluster cluster({.slots = 4 * 251});
    cluster.put(node("node-a", {"198.18.0.21"}));
    for (std::string name : {"a", "b", "c"}) {
        cluster.put(node_port_service(name, static_cast<std::uint16_t>(30001 + name[0] - 'a')));
        cluster.put(slice(name + "-1", name, {endpoint("198.19.0.1", "node-b")}));
    }
    cluster.plan();
    ASSERT_EQ(cluster.state.treatments[SERVED], 3U);
    for (std::string name : {"a", "b", "c"}) {
        cluster.put(slice(name + "-1", name, {endpoint("198.19.0.2", "node-b")}));
    }
    cluster.plan();
    EXPECT_EQ(cluster.state.treatments[LEFT_NO_ROOM], 2U);
    EXPECT_EQ(cluster.state.crowded.size(), 2U);
    EXPECT_TRUE(cluster.plan().operations.empty()) << "too early";
    EXPECT_FALSE(cluster.state.is_retry_due(cluster.options.now_ns));
    cluster.options.now_ns += SLOT_GRACE_NS;
    EXPECT_TRUE(cluster.state.is_retry_due(cluster.options.now_ns));
    cluster.plan();
    EXPECT_EQ(cluster.state.treatments[SERVED], 3U);
    EXPECT_TRUE(cluster.state.crowded.empty());
    EXPECT_EQ(cluster.maps.answers().size(), 3U);
}

TEST(SlicePool, MergesNeighboursAndRests) {
    SlicePool pool(1000);
    EXPECT_EQ(pool.take(300, 0), 0U);
    EXPECT_EQ(pool.take(300, 0), 300U);
    EXPECT_EQ(pool.take(400, 0), 600U);
    EXPECT_FALSE(pool.take(1, 0));
    pool.give_back(300, 300, 10);
    pool.give_back(0, 300, 10);
    EXPECT_FALSE(pool.take(1, 10 + SLOT_GRACE_NS - 1));
    EXPECT_EQ(pool.take(600, 10 + SLOT_GRACE_NS), 0U);
    EXPECT_EQ(pool.in_use(), 1000U);
    EXPECT_FALSE(pool.reserve(0, 1));
    EXPECT_FALSE(SlicePool(10).reserve(5, 6));
    EXPECT_FALSE(SlicePool(10).reserve(UINT32_MAX, 2));
}

TEST(IdPool, HandsOutInTurnAndComesRound) {
    IdPool pool(2);
    EXPECT_TRUE(pool.reserve(UINT32_MAX));
    EXPECT_FALSE(pool.reserve(0));
    EXPECT_EQ(pool.take(0), 1U);
    EXPECT_EQ(pool.room(), 0U);
    pool.give_back(1, 5);
    EXPECT_EQ(pool.room(), 0U) << "it still stands in the map";
    pool.begin_plan(5);
    EXPECT_EQ(pool.room(), 1U);
    EXPECT_EQ(pool.take(5), 2U);
}

TEST(IdPool, EndsWithTheLastOneAndKnowsHowManyAreLeft) {
    IdPool pool(10, 3);
    EXPECT_EQ(pool.room(), 3U);
    for (std::uint32_t id : {1U, 2U, 3U}) {
        EXPECT_EQ(pool.take(0), id);
    }
    EXPECT_EQ(pool.room(), 0U);
    pool.give_back(2, 0);
    pool.begin_plan(SLOT_GRACE_NS - 1);
    EXPECT_EQ(pool.room(), 0U) << "it rests";
    pool.begin_plan(SLOT_GRACE_NS);
    EXPECT_EQ(pool.room(), 1U);
    EXPECT_EQ(pool.take(SLOT_GRACE_NS), 2U);
}

TEST_F(PlannerTest, NamesThatDoNotFitAreLeftOut) {
    put(node_port_service(std::string(64, 'x'), 30080));
    Service twice = node_port_service("twice", 30081);
    twice.ports.push_back(twice.ports.front());
    put(twice);
    const Plan first = plan();
    EXPECT_EQ(first.warnings.size(), 2U);
    EXPECT_EQ(maps.services.size(), 1U);
}

}  // namespace
}  // namespace shunt::test
