// SPDX-License-Identifier: Apache-2.0
// sessionAffinity ClientIP: where a client was, it comes back to.
#include <bpf/bpf.h>

#include "maps/affinity.h"
#include "test/contract/fixture.h"

namespace shunt::contract {
namespace {

using namespace packet::actors;

class Affinity : public ContractTest {
protected:
    void serve(std::vector<Endpoint> endpoints, unsigned timeout = 10800) {
        orders() = orders_with(std::move(endpoints));
        orders().affinity_timeout = timeout;
        in_force();
    }
    std::vector<Endpoint> all() const { return {at(a1), at(a2), at(b1), at(b2), at(c1)}; }

    // As if all clients had been silent for longer by that.
    void age(unsigned seconds) {
        const int map = datapath().map_fd("affinity");
        affinity_key key{}, next{};
        for (const void* previous = nullptr; bpf_map_get_next_key(map, previous, &next) == 0; previous = &key) {
            key = next;
            affinity value{};
            ASSERT_EQ(bpf_map_lookup_elem(map, &key, &value), 0);
            value.last_used_ns -= seconds * 1'000'000'000ull;
            ASSERT_EQ(bpf_map_update_elem(map, &key, &value, BPF_EXIST), 0);
        }
    }
    std::size_t entries() {
        std::size_t count = 0;
        affinity_key key{}, next{};
        const int map = datapath().map_fd("affinity");
        for (const void* previous = nullptr; bpf_map_get_next_key(map, previous, &next) == 0; previous = &key) {
            key = next;
            count++;
        }
        return count;
    }
    // An established connection's endpoint.
    Destination visit(const Packet& packet) { return *establish(packet).seen.to; }
    Destination visit() { return visit(dial()); }
    // Takes all others away and brings them back, so that it is not the hash that brings the client there.
    Destination pin_to(const packet::Actor& pod) {
        set_endpoints({at(pod)});
        in_force();
        const Destination where = visit();
        set_endpoints(all());
        in_force();
        return where;
    }
};

TEST_P(Affinity, ClientStaysWhereItWas) {
    serve(all());
    for (const packet::Actor& pod : {a2, b2, c1}) {
        const Destination where = pin_to(pod);
        EXPECT_EQ(where.address, of(pod));
        for (int i = 0; i < 20; i++) {
            EXPECT_EQ(visit(), where);
        }
    }
}

TEST_P(Affinity, IsSharedByAllFrontends) {
    serve(all());
    for (const packet::Actor& pod : {a1, b1}) {
        const Destination where = pin_to(pod);
        EXPECT_EQ(visit(dial(node(), NODE_PORT)), where);
        EXPECT_EQ(visit(dial(external_ip(), PORT)), where);
        EXPECT_EQ(visit(dial(vip(), PORT)), where);
    }
}

TEST_P(Affinity, IsEachClientsOwn) {
    serve(all());
    pin_to(b2);
    set_endpoints({at(a1)});
    in_force();
    EXPECT_EQ(visit(dial(of(other_client), vip(), PORT)).address, of(a1));
    set_endpoints(all());
    in_force();
    EXPECT_EQ(visit(dial(of(other_client), vip(), PORT)).address, of(a1));
}

TEST_P(Affinity, IsEachServicePortsOwn) {
    serve(all());
    Service second = orders();
    second.name = "second";
    second.ports.front().port = 81;
    second.ports.front().node_port = 30081;
    second.slices.front().endpoints = {at(a1)};
    world.services["second"] = second;
    in_force();
    pin_to(b2);
    EXPECT_EQ(visit(dial(vip(), 81)).address, of(a1));
    EXPECT_EQ(visit(dial(vip(), PORT)).address, of(b2));
}

TEST_P(Affinity, EndsWithItsTimeout) {
    serve({at(a1), at(b1)}, 600);
    std::map<std::string, int> before, after;
    for (const packet::Actor& pod : {a1, b1}) {
        set_endpoints({at(pod)});
        in_force();
        visit();
        set_endpoints({at(a1), at(b1)});
        in_force();
        age(590);
        before[name_of(begin().seen.to->address)]++;
        age(20);
        after[name_of(begin().seen.to->address)]++;
    }
    EXPECT_EQ(before, (std::map<std::string, int>{{"a1", 1}, {"b1", 1}}));
    EXPECT_EQ(after.size(), 1u) << "the client alone decides, whom it met before is forgotten";
}

TEST_P(Affinity, EveryNewConnectionRefreshesIt) {
    serve(all(), 600);
    const Destination where = pin_to(c1);
    for (int i = 0; i < 5; i++) {
        age(400);
        EXPECT_EQ(visit(), where);
    }
}

TEST_P(Affinity, OnlyConnectionsThatAreEstablishedCount) {
    serve(all());
    Talk talk = begin();
    EXPECT_EQ(entries(), 0u);
    answer(talk);
    if (is_tcp()) {
        EXPECT_EQ(entries(), 0u) << "the client has not said that it heard the answer";
        say(talk, ACK);
    }
    EXPECT_EQ(entries(), 1u);
}

TEST_P(Affinity, ServicesWithoutItLeaveNoTrace) {
    serve(all(), 0);
    visit();
    EXPECT_EQ(entries(), 0u);
    EXPECT_GT(spread().size(), 2u);
}

TEST_P(Affinity, MovesOnlyWhenItsEndpointIsGoneAndStaysWithTheSecond) {
    serve(all());
    const Destination first = pin_to(a2);
    set_endpoints({at(a1), at(b1), at(b2), at(c1)});
    in_force();
    const Destination second = visit();
    EXPECT_NE(second, first);
    set_endpoints(all());
    in_force();
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(visit(), second);
    }
}

TEST_P(Affinity, EndpointThatTerminatesGetsNoNewConnectionOfItsClients) {
    serve(all());
    pin_to(b1);
    endpoints()[2].ready = false;
    endpoints()[2].terminating = true;
    in_force();
    EXPECT_NE(visit().address, of(b1));
}

TEST_P(Affinity, SurvivesARestartOfTheAgent) {
    serve(all());
    const Destination where = pin_to(b2);
    restart_agent();
    in_force();
    EXPECT_EQ(visit(), where);
    set_endpoints({at(b2), at(a1), at(c1)});
    in_force();
    EXPECT_EQ(visit(), where);
}

TEST_P(Affinity, SwitchesOnAndOff) {
    serve(all(), 0);
    EXPECT_GT(spread().size(), 2u);
    orders().affinity_timeout = 10800;
    in_force();
    const Destination where = visit();
    EXPECT_EQ(reached(), name_of(where.address));
    orders().affinity_timeout = 0;
    in_force();
    EXPECT_GT(spread().size(), 2u);
}

TEST_P(Affinity, LocalPolicyNeverLeadsElsewhereForIt) {
    serve(all());
    pin_to(b1);
    orders().is_local = true;
    in_force();
    const std::string where = name_of(visit().address);
    EXPECT_TRUE(where == "a1" || where == "a2") << where;
    EXPECT_EQ(name_of(visit().address), where);
}

TEST_P(Affinity, HintsKeepTheClientWhereNewConnectionsMayGo) {
    serve(all());
    pin_to(a2);
    orders().is_local = true;  // a2 goes on as an endpoint of this node
    for (Endpoint& endpoint : endpoints()) {
        endpoint.hint_zones = {endpoint.node == "node-a" ? "zone-2" : "zone-1"};
    }
    in_force();
    EXPECT_EQ(visit().address, of(a2)) << "Local heeds no hints";
    orders().is_local = false;
    in_force();
    EXPECT_NE(visit().address, of(a2)) << "its zone is another";
}

INSTANTIATE_TEST_SUITE_P(, Affinity, testing::ValuesIn(test::all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::contract
