// SPDX-License-Identifier: Apache-2.0
// loadBalancerSourceRanges: who may come to a Service's load-balancer addresses.
#include "test/contract/fixture.h"

namespace shunt::contract {
namespace {

using namespace packet::actors;

class SourceRange : public ContractTest {
protected:
    void serve(std::vector<Prefix> ranges) {
        orders() = orders_with({at(a1)});
        orders().source_ranges = std::move(ranges);
        in_force();
    }
    Prefix just(const Address& address) const { return {address, version() == 4 ? 32u : 128u}; }
    Prefix clients_network() const { return version() == 4 ? Prefix{"198.51.100.0", 24} : Prefix{"2001:db8:51::", 64}; }
    Prefix other_network() const { return version() == 4 ? Prefix{"192.0.2.0", 24} : Prefix{"2001:db8:c0::", 48}; }
    Prefix everybody() const { return version() == 4 ? Prefix{"0.0.0.0", 0} : Prefix{"::", 0}; }
    Prefix everybody_of_the_other_family() const { return version() == 4 ? Prefix{"::", 0} : Prefix{"0.0.0.0", 0}; }
    Address other_client() const { return of(packet::actors::other_client); }
};

TEST_P(SourceRange, ClientWithinMayComeAndOthersAreDroppedAndCounted) {
    serve({just(client())});
    begin();
    const auto before = counted(DROP_SOURCE_RANGE);
    expect_outcome(dial(other_client(), vip(), PORT), Outcome::OUT_OF_RANGE);
    EXPECT_EQ(counted(DROP_SOURCE_RANGE), before + 1);
    EXPECT_EQ(datapath().flows().size(), 2u);
}

TEST_P(SourceRange, OneOfSeveralIsEnough) {
    serve({other_network(), clients_network()});
    begin();
    begin(dial(other_client(), vip(), PORT));
}

TEST_P(SourceRange, EveryBitOfThePrefixCounts) {
    Prefix neighbours{client(), version() == 4 ? 31u : 127u};  // .6 and .7; the other client is .8
    serve({neighbours});
    begin();
    expect_outcome(dial(other_client(), vip(), PORT), Outcome::OUT_OF_RANGE);
    neighbours.length = version() == 4 ? 28 : 124;
    serve({neighbours});
    begin(dial(other_client(), vip(), PORT));
}

TEST_P(SourceRange, PrefixOfNoLengthIsEverybody) {
    serve({everybody()});
    begin();
}

TEST_P(SourceRange, NodePortAndExternalIpAreOpen) {
    serve({other_network()});
    expect_outcome(dial(), Outcome::OUT_OF_RANGE);
    begin(dial(node(), NODE_PORT));
    begin(dial(external_ip(), PORT));
}

// kube-proxy leaves the other family open.
TEST_P(SourceRange, RangesOfTheOtherFamilyAloneLetNobodyIn) {
    serve({everybody_of_the_other_family()});
    expect_outcome(dial(), Outcome::OUT_OF_RANGE);
}

TEST_P(SourceRange, NodePortServiceHasNone) {
    orders() = orders_with({at(a1)});
    orders().type = Service::Type::NODE_PORT;
    orders().source_ranges = {other_network()};
    in_force();
    begin(dial(node(), NODE_PORT));
}

TEST_P(SourceRange, OtherServicesAreNotConcerned) {
    serve({other_network()});
    Service second = orders_with({at(a1)});
    second.name = "second";
    second.ports.front().port = 81;
    second.ports.front().node_port = 30081;
    world.services["second"] = second;
    in_force();
    begin(dial(vip(), 81));
    expect_outcome(dial(), Outcome::OUT_OF_RANGE);
}

TEST_P(SourceRange, HoldsForNewConnectionsOnly) {
    serve({clients_network()});
    Talk talk = establish();
    const Destination before = *talk.seen.to;
    serve({other_network()});
    EXPECT_EQ(say(talk), before);
    answer(talk, ACK);
    expect_outcome(dial(), Outcome::OUT_OF_RANGE);
}

TEST_P(SourceRange, ChangesAreInForce) {
    serve({});
    begin();
    serve({other_network()});
    expect_outcome(dial(), Outcome::OUT_OF_RANGE);
    serve({other_network(), clients_network()});
    begin();
    restart_agent();
    serve({other_network()});
    expect_outcome(dial(), Outcome::OUT_OF_RANGE);
    serve({});
    begin();
}

// A client that may not come learns nothing about the endpoints.
TEST_P(SourceRange, IsLookedAtBeforeTheEndpoints) {
    serve({other_network()});
    set_endpoints({});
    in_force();
    expect_outcome(dial(), Outcome::OUT_OF_RANGE);
    expect_outcome(dial(node(), NODE_PORT), refusal());
}

INSTANTIATE_TEST_SUITE_P(, SourceRange, testing::ValuesIn(test::all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::contract
