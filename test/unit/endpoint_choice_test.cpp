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
    return choose_endpoints(pointers, port, family, kOwnNode);
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
    EXPECT_EQ(choose_endpoints({&pointer, 1}, {.port = 80}, IPV4, "").begin()->second.placement, BACKEND_REMOTE);
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

std::set<std::uint16_t> usable_ports(const ChosenEndpoints& endpoints) {
    std::set<std::uint16_t> ports;
    for (const BackendIdentity& identity : usable_endpoints(endpoints)) {
        ports.insert(identity.port);
    }
    return ports;
}

TEST(UsableEndpoints, ReadyElseServingAndTerminating) {
    const IpAddress address = ip("198.19.0.1");
    ChosenEndpoints endpoints{{{address, 1}, {.state = BACKEND_READY}},
                              {{address, 2}, {.state = BACKEND_SERVING_TERMINATING}},
                              {{address, 3}, {.state = BACKEND_TERMINATING}},
                              {{address, 4}, {.state = BACKEND_NOT_READY}}};
    EXPECT_EQ(usable_ports(endpoints), std::set<std::uint16_t>{1});
    endpoints.erase({address, 1});
    EXPECT_EQ(usable_ports(endpoints), std::set<std::uint16_t>{2});
    endpoints.erase({address, 2});
    EXPECT_TRUE(usable_ports(endpoints).empty());
}

}  // namespace
}  // namespace shunt::test
