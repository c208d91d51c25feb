// SPDX-License-Identifier: Apache-2.0
// UDP conversations: they stay with an endpoint as long as it serves, and leave it at once when it does not.
#include "test/contract/fixture.h"

namespace shunt::contract {
namespace {

using namespace packet::actors;

class UdpConversation : public ContractTest {
protected:
    void serve(std::vector<Endpoint> endpoints) {
        world.services.clear();
        in_force();
        datapath().remove_flows();
        orders() = orders_with(std::move(endpoints));
        in_force();
    }
    // With pods here and elsewhere: an answered conversation, then this change.
    template <typename Make, typename Check>
    void after(Make change, Check check) {
        for (const packet::Actor& pod : {a1, b1}) {
            for (const bool is_answered : {true, false}) {
                SCOPED_TRACE(name_of(of(pod)) + (is_answered ? ", answered" : ", not answered"));
                serve({at(pod)});
                Talk talk = begin();
                if (is_answered) {
                    answer(talk);
                }
                const auto gone = counted(FLOW_ENDPOINT_GONE);
                change();
                in_force();
                check(talk, pod, counted(FLOW_ENDPOINT_GONE) - gone);
            }
        }
    }
};

TEST_P(UdpConversation, MovesAtOnceWhenItsEndpointIsGone) {
    after([this] { set_endpoints({at(b2)}); },
          [this](Talk& talk, const packet::Actor&, std::uint64_t gone) {
              EXPECT_EQ(say(talk).address, of(b2));
              answer(talk);
              EXPECT_EQ(gone, 1u);
              EXPECT_EQ(datapath().flows().size(), 2u);
          });
}

TEST_P(UdpConversation, MovesWhenOnlyTheTargetPortChanges) {
    after([this] { orders().slices.front().ports.front().port = 9090; },
          [this](Talk& talk, const packet::Actor& pod, std::uint64_t) {
              const Destination now = say(talk);
              EXPECT_EQ(now.address, of(pod));
              EXPECT_EQ(now.port, 9090);
              answer(talk);
          });
}

TEST_P(UdpConversation, IsRefusedWhenTheServiceLostAllItsEndpointsAndComesBackWithTheFirst) {
    after([this] { set_endpoints({}); },
          [this](Talk& talk, const packet::Actor&, std::uint64_t) {
              expect_outcome(talk.first, Outcome::UNREACHABLE);
              set_endpoints({at(a2)});
              in_force();
              EXPECT_EQ(say(talk).address, of(a2)) << "no black hole is left behind";
          });
}

TEST_P(UdpConversation, EndsWhenTheServiceIsDeleted) {
    after([this] { world.services.clear(); },
          [this](Talk& talk, const packet::Actor&, std::uint64_t) {
              expect_outcome(talk.first, Outcome::PASSED);
              EXPECT_EQ(datapath().flows().size(), 0u);
          });
}

TEST_P(UdpConversation, StaysWithATerminatingEndpointWhileItServes) {
    after(
        [this] {
            endpoints()[0].ready = false;
            endpoints()[0].terminating = true;
            endpoints().push_back(at(b2));
        },
        [this](Talk& talk, const packet::Actor& pod, std::uint64_t) {
            EXPECT_EQ(say(talk).address, of(pod));
            EXPECT_EQ(reached(), "b2");
            endpoints()[0].serving = false;
            in_force();
            EXPECT_EQ(say(talk).address, of(b2));
        });
}

TEST_P(UdpConversation, LeavesAnEndpointThatIsNotReadyAnyMore) {
    after(
        [this] {
            endpoints()[0].ready = endpoints()[0].serving = false;
            endpoints().push_back(at(b2));
        },
        [this](Talk& talk, const packet::Actor&, std::uint64_t) { EXPECT_EQ(say(talk).address, of(b2)); });
}

TEST_P(UdpConversation, StaysWhenOtherEndpointsComeAndGo) {
    after([this] { endpoints().push_back(at(a2)); endpoints().push_back(at(b2)); endpoints().push_back(at(c1)); },
          [this](Talk& talk, const packet::Actor& pod, std::uint64_t gone) {
              EXPECT_EQ(say(talk).address, of(pod));
              set_endpoints({at(pod)});
              in_force();
              EXPECT_EQ(say(talk).address, of(pod));
              EXPECT_EQ(gone, 0u);
          });
}

TEST_P(UdpConversation, OutlivesChangesOfPolicyAffinityAndRanges) {
    after(
        [this] {
            orders().is_local = true;
            orders().affinity_timeout = 10800;
            orders().source_ranges = {{"192.0.2.0", 24}};
        },
        [this](Talk& talk, const packet::Actor& pod, std::uint64_t) {
            EXPECT_EQ(say(talk).address, of(pod));
            answer(talk);
        });
}

TEST_P(UdpConversation, OutlivesARestartOfTheAgent) {
    after([this] { restart_agent(); },
          [this](Talk& talk, const packet::Actor& pod, std::uint64_t gone) {
              EXPECT_EQ(say(talk).address, of(pod));
              EXPECT_EQ(gone, 0u);
          });
}

// The endpoint went while no agent lived.
TEST_P(UdpConversation, MovesWhenTheNextAgentFindsItsEndpointGone) {
    after([this] { set_endpoints({at(b2)}); restart_agent(); },
          [this](Talk& talk, const packet::Actor&, std::uint64_t) { EXPECT_EQ(say(talk).address, of(b2)); });
}

TEST_P(UdpConversation, BeginsAgainWhenEndpointsGetReady) {
    serve({at(a1)});
    endpoints()[0].ready = endpoints()[0].serving = false;
    in_force();
    const Packet packet = dial();
    expect_outcome(packet, Outcome::UNREACHABLE);
    endpoints()[0].ready = endpoints()[0].serving = true;
    in_force();
    EXPECT_EQ(begin(packet).seen.to->address, of(a1));
}

std::vector<test::Case> udp_cases() {
    std::vector<test::Case> cases = test::all_cases();
    std::erase_if(cases, [](const test::Case& c) { return c.protocol != ::UDP; });
    return cases;
}

INSTANTIATE_TEST_SUITE_P(, UdpConversation, testing::ValuesIn(udp_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::contract
