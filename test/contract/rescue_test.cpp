// SPDX-License-Identifier: Apache-2.0
// Endpoints that are ready for Kubernetes and answer nothing: the client's second SYN goes elsewhere, and after some silence
// new connections do at once.
#include <bpf/bpf.h>

#include "maps/unanswered.h"
#include "test/contract/fixture.h"

namespace shunt::contract {
namespace {

using namespace packet::actors;

class Rescue : public ContractTest {
protected:
    void serve(std::vector<Endpoint> endpoints, unsigned affinity_timeout = 0) {
        orders() = orders_with(std::move(endpoints));
        orders().affinity_timeout = affinity_timeout;
        in_force();
    }
    // The client's SYN again, of the same connection.
    Destination again(Talk& talk) { return say(talk, SYN); }

    // As if the endpoints had been silent for so much longer.
    void let_pass(std::uint64_t nanoseconds) {
        const int map = datapath().map_fd("unanswered");
        unanswered_key key{}, next{};
        for (const void* previous = nullptr; bpf_map_get_next_key(map, previous, &next) == 0; previous = &key) {
            key = next;
            unanswered value{};
            ASSERT_EQ(bpf_map_lookup_elem(map, &key, &value), 0);
            value.first_ns -= nanoseconds;
            ASSERT_EQ(bpf_map_update_elem(map, &key, &value, BPF_EXIST), 0);
        }
    }
    // Connections of which this pod answers none, and the others all; who got how many.
    std::map<std::string, int> dial_with_silent(const packet::Actor& pod, int connections) {
        std::map<std::string, int> counts;
        for (int i = 0; i < connections; i++) {
            const Talk talk = begin();
            counts[name_of(talk.seen.to->address)]++;
            if (talk.seen.to->address != of(pod)) {
                answer(talk);
            }
        }
        return counts;
    }
    service_counters counters() const {
        std::vector<service_counters> per_cpu(64);
        service_counters sum{};
        __u32 id = 0;
        const int map = datapath().map_fd("service_counters");
        EXPECT_EQ(bpf_map_get_next_key(map, nullptr, &id), 0);
        bpf_map_lookup_elem(map, &id, per_cpu.data());
        for (const auto& one : per_cpu) {
            sum.rescued += one.rescued;
            sum.skipped += one.skipped;
        }
        return sum;
    }
};

TEST_P(Rescue, SynAgainGoesToAnotherEndpoint) {
    serve({at(a1), at(a2), at(b1), at(c1)});
    for (int i = 0; i < 30; i++) {
        Talk talk = begin();
        const Destination first = *talk.seen.to;
        const Destination second = again(talk);
        EXPECT_NE(first, second);
        answer(talk);
        EXPECT_EQ(say(talk, ACK), second);
    }
    EXPECT_EQ(counted(FLOW_RESCUED) > 0, true);
    EXPECT_EQ(counters().rescued, 30u);
}

TEST_P(Rescue, EachSynAgainGoesOn) {
    serve({at(a1), at(b1)});
    Talk talk = begin();
    for (int i = 0; i < 5; i++) {
        const Destination before = *talk.seen.to;
        EXPECT_NE(again(talk), before);
    }
    EXPECT_EQ(datapath().flows().size(), 2u) << "one connection, however often it moved";
}

// The number that an answer has to acknowledge may be anything.
TEST_P(Rescue, WhateverTheSequenceNumber) {
    serve({at(a1), at(a2)});
    for (const std::uint32_t sequence : {0u, 0xffffu, 0xfffeu, 0x1ffffu, 0xffffffffu, 0x7fffffffu}) {
        Talk talk = begin(dial(), sequence);
        const Destination first = *talk.seen.to;
        EXPECT_NE(again(talk), first) << sequence;
        answer(talk);
        say(talk, ACK);
        EXPECT_NE(say(talk, ACK), first) << sequence;
    }
}

TEST_P(Rescue, AnsweredConnectionsStay) {
    serve({at(a1), at(a2), at(b1), at(c1)});
    for (int i = 0; i < 20; i++) {
        Talk talk = begin();
        const Destination first = *talk.seen.to;
        answer(talk);
        EXPECT_EQ(again(talk), first) << "the answer was lost, or is late";
        say(talk, ACK);
        EXPECT_EQ(again(talk), first);
    }
    EXPECT_EQ(counters().rescued, 0u);
}

TEST_P(Rescue, OnlyEndpointIsTriedOn) {
    serve({at(b1)});
    Talk talk = begin();
    const Destination first = *talk.seen.to;
    EXPECT_EQ(again(talk), first);
    EXPECT_EQ(counters().rescued, 0u);
}

TEST_P(Rescue, StaysWithinThePolicy) {
    serve({at(a1), at(a2), at(b1), at(b2), at(c1)});
    orders().is_local = true;
    in_force();
    for (int i = 0; i < 20; i++) {
        Talk talk = begin();
        EXPECT_TRUE(again(talk).is_local);
    }
}

// Who waited once takes no risk: not even an endpoint with one SYN to answer.
TEST_P(Rescue, SynAgainAvoidsOthersThatAreSilent) {
    serve({at(b1), at(b2), at(c1)});
    std::set<std::string> tried;
    while (tried.size() < 3) {
        tried.insert(name_of(begin().seen.to->address));
    }
    set_endpoints({at(a1), at(b1), at(b2), at(c1)});
    in_force();
    let_pass(UNANSWERED_RESCUE_NS);
    for (int i = 0; i < 20; i++) {
        Talk talk = begin();
        if (name_of(talk.seen.to->address) != "a1") {
            EXPECT_EQ(name_of(again(talk).address), "a1");
        }
        answer(talk);
    }
}

TEST_P(Rescue, AffinityForbidsIt) {
    serve({at(b1)}, 10800);
    establish();
    set_endpoints({at(a1), at(a2), at(b1), at(b2)});
    in_force();
    Talk talk = begin();
    EXPECT_EQ(name_of(talk.seen.to->address), "b1");
    EXPECT_EQ(name_of(again(talk).address), "b1");
    EXPECT_EQ(counters().rescued, 0u);
}

TEST_P(Rescue, AffinityOfNobodyYetDoesNot) {
    serve({at(a1), at(b1)}, 10800);
    Talk talk = begin();
    const Destination first = *talk.seen.to;
    EXPECT_NE(again(talk), first);
}

TEST_P(Rescue, ConnectionOfADeletedServiceStaysWhereItIs) {
    serve({at(a1), at(b1)});
    Talk talk = begin();
    const Destination first = *talk.seen.to;
    world.services.clear();
    in_force();
    EXPECT_EQ(again(talk), first);
}

// ---- Passing silent endpoints over

TEST_P(Rescue, SilentEndpointIsPassedOverByNewConnections) {
    serve({at(a1), at(b1), at(b2)});
    dial_with_silent(b1, 60);
    let_pass(UNANSWERED_NS);
    wait_for_a_new_tick();
    std::map<std::string, int> counts = dial_with_silent(b1, 60);
    EXPECT_LE(counts["b1"], 1) << "one in a tick";
    EXPECT_GT(counts["a1"], 10);
    EXPECT_GT(counts["b2"], 10);
    EXPECT_GT(counters().skipped, 5u);
    EXPECT_GT(counted(FLOW_BACKEND_SKIPPED), 0u);
}

TEST_P(Rescue, ThreeSynsAndSomeTimeItTakes) {
    serve({at(b1)});
    begin();
    begin();
    set_endpoints({at(a1), at(b1)});
    in_force();
    let_pass(2 * UNANSWERED_NS);
    EXPECT_EQ(reached(), "a1 b1") << "two SYNs are not enough";

    set_endpoints({at(b2)});
    in_force();
    for (int i = 0; i < 20; i++) {
        begin();
    }
    set_endpoints({at(a1), at(b2)});
    in_force();
    EXPECT_GT(spread(vip(), PORT, 30)["b2"], 2) << "twenty SYNs in an instant are not enough";
}

TEST_P(Rescue, AnswerEndsIt) {
    serve({at(a1), at(b1)});
    dial_with_silent(b1, 40);
    let_pass(UNANSWERED_NS);
    Talk talk = begin();
    while (name_of(talk.seen.to->address) != "b1") {  // the one that tries it all the same
        answer(talk);
        talk = begin();
    }
    answer(talk);
    EXPECT_GT(spread(vip(), PORT, 40)["b1"], 8);
}

TEST_P(Rescue, SilentEndpointIsTriedOnceATick) {
    serve({at(a1), at(b1)});
    dial_with_silent(b1, 40);
    let_pass(UNANSWERED_NS);
    for (int round = 0; round < 2; round++) {
        wait_for_a_new_tick();
        EXPECT_EQ(dial_with_silent(b1, 60)["b1"], 1);
    }
}

TEST_P(Rescue, NoEndpointIsLeftOutIfNoneAnswers) {
    serve({at(a1), at(b1)});
    for (int i = 0; i < 40; i++) {
        begin();
    }
    let_pass(UNANSWERED_NS);
    std::map<std::string, int> counts;
    for (int i = 0; i < 60; i++) {
        counts[name_of(begin().seen.to->address)]++;
    }
    EXPECT_GT(counts["a1"], 10);
    EXPECT_GT(counts["b1"], 10);
}

TEST_P(Rescue, ClientsOfASilentEndpointByAffinityStay) {
    serve({at(b1)}, 10800);
    establish();
    set_endpoints({at(a1), at(b1)});
    in_force();
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(name_of(begin().seen.to->address), "b1");
    }
    let_pass(UNANSWERED_NS);
    EXPECT_EQ(name_of(begin().seen.to->address), "b1");
}

INSTANTIATE_TEST_SUITE_P(, Rescue, testing::ValuesIn(test::tcp_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::contract
