// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/endpoint_choice.h"

#include "plan_support.h"

namespace shunt::test {
namespace {

using Condition = std::optional<bool>;
constexpr Condition kNil = std::nullopt;

struct ConditionCase {
    Condition ready, serving, terminating;
    backend_state expected;
};

TEST(EndpointState, EveryCombinationOfConditions) {
    const ConditionCase cases[] = {
        {kNil, kNil, kNil, BACKEND_READY},         {kNil, false, kNil, BACKEND_READY},
        {kNil, kNil, true, BACKEND_READY},         {true, kNil, kNil, BACKEND_READY},
        {true, true, true, BACKEND_READY},  // publishNotReadyAddresses
        {true, false, true, BACKEND_READY},        {false, kNil, kNil, BACKEND_NOT_READY},
        {false, true, kNil, BACKEND_NOT_READY},    {false, true, false, BACKEND_NOT_READY},
        {false, false, false, BACKEND_NOT_READY},  {false, kNil, true, BACKEND_TERMINATING},  // serving follows ready
        {false, false, true, BACKEND_TERMINATING}, {false, true, true, BACKEND_SERVING_TERMINATING},
    };
    for (const ConditionCase& one : cases) {
        EXPECT_EQ(endpoint_state({.ready = one.ready, .serving = one.serving, .terminating = one.terminating}),
                  one.expected);
    }
}

ChosenEndpoints choose(const std::vector<EndpointSlice>& slices, const ServicePort& port = {.port = 80},
                       address_family family = IPV4) {
    std::vector<const EndpointSlice*> pointers;
    for (const EndpointSlice& one : slices) {
        pointers.push_back(&one);
    }
    return choose_endpoints(pointers, port, family, {.node = kOwnNode, .zone = "zone-a"});
}

TEST(ChooseEndpoints, LocalIsTheOwnNodeAndNothingElse) {
    const ChosenEndpoints chosen = choose({slice(
        "s", "web", {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b"), endpoint("198.19.0.3", "")})});
    ASSERT_EQ(chosen.size(), 3U);
    EXPECT_EQ(chosen.at({ip("198.19.0.1"), 8080}).placement, BACKEND_LOCAL);
    EXPECT_EQ(chosen.at({ip("198.19.0.2"), 8080}).placement, BACKEND_REMOTE);
    EXPECT_EQ(chosen.at({ip("198.19.0.2"), 8080}).node, "node-b");
    EXPECT_EQ(chosen.at({ip("198.19.0.3"), 8080}).placement, BACKEND_REMOTE);
}

TEST(ChooseEndpoints, AnUnknownNodeIsNotTheOwnOneEvenIfThatHasNoName) {
    const EndpointSlice one = slice("s", "web", {endpoint("198.19.0.1", "")});
    const EndpointSlice* pointer = &one;
    EXPECT_EQ(choose_endpoints({&pointer, 1}, {.port = 80}, IPV4, {}).begin()->second.placement, BACKEND_REMOTE);
}

TEST(ChooseEndpoints, EachSliceHasItsOwnNumberForANamedPort) {
    EndpointSlice first = slice("s1", "web", {endpoint("198.19.0.1", "node-a")});
    first.ports = {{.name = "http", .port = 8080}, {.name = "admin", .port = 9000}};
    EndpointSlice second = slice("s2", "web", {endpoint("198.19.0.2", "node-a")});
    second.ports = {{.name = "http", .port = 8081}};
    const ChosenEndpoints chosen = choose({first, second}, {.name = "http", .port = 80});
    ASSERT_EQ(chosen.size(), 2U);
    EXPECT_TRUE(chosen.contains({ip("198.19.0.1"), 8080}));
    EXPECT_TRUE(chosen.contains({ip("198.19.0.2"), 8081}));
}

TEST(ChooseEndpoints, NameAndProtocolMustBothMatch) {
    EndpointSlice one = slice("s", "web", {endpoint("198.19.0.1", "node-a")});
    one.ports = {{.name = "dns", .protocol = UDP, .port = 5353}, {.name = "", .port = 0}};
    EXPECT_TRUE(choose({one}, {.name = "dns", .protocol = TCP, .port = 53}).empty());
    EXPECT_TRUE(choose({one}, {.name = "", .protocol = UDP, .port = 53}).empty());
    EXPECT_TRUE(choose({one}, {.name = "", .port = 53}).empty());  // number 0
    EXPECT_EQ(choose({one}, {.name = "dns", .protocol = UDP, .port = 53}).size(), 1U);
    one.ports.clear();
    EXPECT_TRUE(choose({one}, {.name = "dns", .protocol = UDP, .port = 53}).empty());
}

TEST(ChooseEndpoints, OtherFamilyIsLeftOut) {
    EndpointSlice six = slice("s6", "web", {endpoint("2001:db8::1", "node-a")});
    six.family = IPV6;
    EXPECT_TRUE(choose({six}).empty());
    EXPECT_EQ(choose({six}, {.port = 80}, IPV6).size(), 1U);
}

TEST(ChooseEndpoints, DuplicatesMergeLocalFirstThenTheBetterState) {
    const EndpointSlice a = slice("a", "web", {endpoint("198.19.0.1", "node-b", true)});
    const EndpointSlice b = slice("b", "web", {endpoint("198.19.0.1", "node-a", false)});
    const EndpointSlice c = slice("c", "web", {endpoint("198.19.0.1", "node-c", false)});
    for (const auto& slices : {std::vector{a, b, c}, std::vector{c, b, a}, std::vector{b, a, c}}) {
        const ChosenEndpoints chosen = choose(slices);
        ASSERT_EQ(chosen.size(), 1U);
        EXPECT_EQ(chosen.begin()->second, (ChosenEndpoint{BACKEND_LOCAL, BACKEND_NOT_READY, "node-a"}));
    }
    for (const auto& slices : {std::vector{a, c}, std::vector{c, a}}) {
        EXPECT_EQ(choose(slices).begin()->second, (ChosenEndpoint{BACKEND_REMOTE, BACKEND_READY, "node-b"}));
    }
}

TEST(SlicesOf, OtherProxiesAndHeadlessOnesAreIgnored) {
    Snapshot snapshot;
    Change change;
    EndpointSlice good = slice("good", "web", {});
    EndpointSlice headless = slice("headless", "web", {});
    headless.labels["service.kubernetes.io/headless"] = "";
    EndpointSlice other = slice("other", "web", {});
    other.labels["service.kubernetes.io/service-proxy-name"] = "mesh";
    for (const EndpointSlice& one : {good, headless, other, slice("elsewhere", "api", {})}) {
        put(snapshot, one, change);
    }
    const std::vector<const EndpointSlice*> found = slices_of(snapshot, {"shop", "web"});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.front()->name.name, "good");
    EXPECT_TRUE(slices_of(snapshot, {"shop", "none"}).empty());
}

// --- The Cluster set and the Local set

using Names = std::set<std::string>;

Names names(const std::set<BackendIdentity>& endpoints) {
    Names result;
    for (const BackendIdentity& identity : endpoints) {
        result.insert(identity.address.to_string().substr(std::string("198.19.0.").size()));
    }
    return result;
}

// "198.19.0.LAST" on a node, in a state.
Endpoint pod(int last, const std::string& on_node, backend_state state = BACKEND_READY) {
    Endpoint result = endpoint("198.19.0." + std::to_string(last), on_node, state == BACKEND_READY);
    result.terminating = state == BACKEND_TERMINATING || state == BACKEND_SERVING_TERMINATING;
    result.serving = state == BACKEND_READY || state == BACKEND_SERVING_TERMINATING;
    return result;
}
Endpoint zoned(Endpoint endpoint, std::vector<std::string> zones) {
    endpoint.zone_hints = std::move(zones);
    return endpoint;
}
Endpoint for_nodes(Endpoint endpoint, std::vector<std::string> nodes) {
    endpoint.node_hints = std::move(nodes);
    return endpoint;
}
Names cluster(const std::vector<Endpoint>& endpoints) { return names(cluster_set(choose({slice("s", "web", endpoints)}))); }
Names local(const std::vector<Endpoint>& endpoints) { return names(local_set(choose({slice("s", "web", endpoints)}))); }

constexpr backend_state kFinishing = BACKEND_SERVING_TERMINATING;

TEST(ClusterSet, ReadyElseServingAndTerminating) {
    std::vector<Endpoint> endpoints{pod(1, "node-b"), pod(2, "node-a", kFinishing), pod(3, "node-a", BACKEND_TERMINATING),
                                    pod(4, "node-a", BACKEND_NOT_READY)};
    EXPECT_EQ(cluster(endpoints), Names{"1"});
    endpoints.erase(endpoints.begin());
    EXPECT_EQ(cluster(endpoints), Names{"2"});
    endpoints.erase(endpoints.begin());
    EXPECT_TRUE(cluster(endpoints).empty());
}

TEST(LocalSet, ReadyHereElseServingAndTerminatingHere) {
    std::vector<Endpoint> endpoints{pod(1, "node-a"), pod(2, "node-a", kFinishing), pod(3, "node-b"),
                                    pod(4, "node-a", BACKEND_NOT_READY), pod(5, "node-a", BACKEND_TERMINATING)};
    EXPECT_EQ(local(endpoints), Names{"1"});
    endpoints.erase(endpoints.begin());
    EXPECT_EQ(local(endpoints), Names{"2"}) << "although a ready one is elsewhere";
    EXPECT_EQ(cluster(endpoints), Names{"3"});
    endpoints.erase(endpoints.begin());
    EXPECT_TRUE(local(endpoints).empty());
}

TEST(LocalSet, HintsDoNotCount) {
    EXPECT_EQ(local({zoned(pod(1, "node-a"), {"zone-b"}), zoned(pod(2, "node-b"), {"zone-a"})}), Names{"1"});
}

struct HintCase {
    const char* name;
    std::vector<Endpoint> endpoints;
    Names expected;
};
void PrintTo(const HintCase& hints, std::ostream* out) { *out << hints.name; }

class TopologyFilter : public testing::TestWithParam<HintCase> {};

TEST_P(TopologyFilter, IsObeyed) { EXPECT_EQ(cluster(GetParam().endpoints), GetParam().expected); }

// node-a, which is in zone-a, is the own node.
INSTANTIATE_TEST_SUITE_P(
    Hints, TopologyFilter,
    testing::Values(
        HintCase{"zones", {zoned(pod(1, "node-b"), {"zone-a"}), zoned(pod(2, "node-c"), {"zone-b"})}, {"1"}},
        HintCase{"several_zones", {zoned(pod(1, "node-b"), {"zone-b", "zone-a"}), zoned(pod(2, "node-c"), {"zone-b"})}, {"1"}},
        HintCase{"one_without_a_zone", {zoned(pod(1, "node-b"), {"zone-a"}), pod(2, "node-c")}, {"1", "2"}},
        HintCase{"no_match_of_the_zone",
                 {zoned(pod(1, "node-b"), {"zone-b"}), zoned(pod(2, "node-c"), {"zone-c"})},
                 {"1", "2"}},
        HintCase{"nodes", {for_nodes(pod(1, "node-a"), {"node-a"}), for_nodes(pod(2, "node-b"), {"node-b"})}, {"1"}},
        HintCase{"no_match_of_the_node_falls_back_to_zones",
                 {zoned(for_nodes(pod(1, "node-b"), {"node-b"}), {"zone-a"}),
                  zoned(for_nodes(pod(2, "node-c"), {"node-c"}), {"zone-b"})},
                 {"1"}},
        HintCase{"one_without_a_node_falls_back_to_zones",
                 {zoned(for_nodes(pod(1, "node-a"), {"node-a"}), {"zone-a"}), zoned(pod(2, "node-b"), {"zone-a"}),
                  zoned(pod(3, "node-c"), {"zone-b"})},
                 {"1", "2"}},
        HintCase{"nodes_before_zones",
                 {zoned(for_nodes(pod(1, "node-a"), {"node-a"}), {"zone-b"}),
                  zoned(for_nodes(pod(2, "node-b"), {"node-b"}), {"zone-a"})},
                 {"1"}},
        HintCase{"only_ready_ones_have_to_have_hints",
                 {zoned(pod(1, "node-b"), {"zone-a"}), zoned(pod(2, "node-b"), {"zone-b"}),
                  pod(3, "node-c", BACKEND_NOT_READY), pod(4, "node-c", kFinishing)},
                 {"1"}},
        HintCase{"the_match_has_to_be_ready",
                 {zoned(pod(1, "node-b", kFinishing), {"zone-a"}), zoned(pod(2, "node-b"), {"zone-b"})},
                 {"2"}},
        HintCase{"the_fallback_ignores_them",
                 {zoned(pod(1, "node-b", kFinishing), {"zone-a"}), zoned(pod(2, "node-b", kFinishing), {"zone-b"})},
                 {"1", "2"}}),
    [](const auto& info) { return info.param.name; });

TEST(ClusterSet, AnUnknownZoneObeysNoHints) {
    const EndpointSlice one = slice("s", "web", {zoned(pod(1, "node-b"), {"zone-a"}), zoned(pod(2, "node-b"), {""})});
    const EndpointSlice* pointer = &one;
    EXPECT_EQ(names(cluster_set(choose_endpoints({&pointer, 1}, {.port = 80}, IPV4, {.node = kOwnNode, .zone = {}}))),
              (Names{"1", "2"}));
}

TEST(ClusterSet, EachFamilyHasHintsOfItsOwn) {
    EndpointSlice six = slice("s6", "web", {endpoint("2001:db8::1", "node-b")});
    six.family = IPV6;
    const EndpointSlice four = slice("s4", "web", {zoned(pod(1, "node-b"), {"zone-a"}), zoned(pod(2, "node-c"), {"zone-b"})});
    EXPECT_EQ(names(cluster_set(choose({four, six}))), Names{"1"});
    EXPECT_EQ(cluster_set(choose({four, six}, {.port = 80}, IPV6)).size(), 1U);
}

}  // namespace
}  // namespace shunt::test
