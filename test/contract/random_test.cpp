// SPDX-License-Identifier: Apache-2.0
// The real planner and the real programs against the model (model.h): random Services, endpoints, options and packets, changes
// of them while connections live. Nothing is allowed to differ, and every outcome and rule has to have been seen often.
//
// The seed is printed; SHUNT_CONTRACT_SEED repeats a run, SHUNT_CONTRACT_CASES makes it longer or shorter.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <sstream>

#include "test/contract/generator.h"
#include "test/contract/installation.h"
#include "test/contract/observer.h"
#include "test/packet/actors.h"

namespace shunt::contract {
namespace {

using test::Program;
using test::Verdict;

constexpr unsigned CHANGES = 6;               // of one configuration, each a configuration of its own
constexpr unsigned PACKETS = 50;              // for each
constexpr std::uint64_t OUTCOME_AT_LEAST = 1000, RULE_AT_LEAST = 500;
constexpr std::uint64_t REFUSALS_PER_TICK = 1000;
constexpr std::uint64_t DIFFERENCES_AT_MOST = 5;  // that are worth reading

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

// A client's side of a connection, or of what was to be one.
struct Conversation {
    Packet first;
    std::uint32_t sequence = 0;
    Address seen_source;  // by the endpoint
    std::uint16_t seen_port = 0;
};

class Comparison {
public:
    Comparison(test::Datapath& datapath, const test::Network& network, std::uint64_t seed)
        : datapath_(datapath), network_(network), upkeep_(load_upkeep(datapath)), generate_(seed) {}

    // Ends with the first difference: what follows from it says nothing new.
    void episode() {
        const std::uint64_t before = differences;
        const World world = generate_.world();
        Installation installation(datapath_, network_, upkeep_);
        installation.put(world);
        model_ = Model(world);
        conversations_.clear();
        for (unsigned change = 0; change < CHANGES && differences == before; change++) {
            if (change != 0) {
                World next = generate_.change(model_.world());
                installation.put(next);
                model_.change(std::move(next));
                if (generate_.chance(20)) {
                    installation.restart();
                }
            }
            configurations++;
            for (unsigned packet = 0; packet < PACKETS && differences == before; packet++) {
                one_packet();
            }
        }
    }

    std::uint64_t configurations = 0, cases = 0, differences = 0;
    std::map<Outcome, std::uint64_t> outcomes;
    std::map<Rule, std::uint64_t> rules;
    std::map<std::string, std::uint64_t> replies;

private:
    void one_packet() {
        if (conversations_.empty() || generate_.chance(45)) {
            Conversation one{.first = generate_.packet(model_.world()), .sequence = sequence(), .seen_source = {}};
            if (request(one, one.first) && one.first.protocol != Protocol::ECHO) {
                conversations_.push_back(one);
            }
            return;
        }
        Conversation& one = conversations_[generate_.below(static_cast<unsigned>(conversations_.size()))];
        const auto connection = model_.connection(one.first);
        if (connection && generate_.chance(45)) {
            reply(one, *connection);
            return;
        }
        Packet packet = one.first;
        if (packet.protocol == Protocol::TCP) {
            const unsigned dice = generate_.below(10);
            packet.flags = dice < 4 ? ACK : dice < 7 ? SYN : dice < 8 ? FIN | ACK : dice < 9 ? RST : SYN | ACK;
        }
        request(one, packet);
    }

    // Low halves of ones and zeros are where arithmetic goes wrong.
    std::uint32_t sequence() {
        return generate_.chance(3) ? generate_.one_of(std::vector<std::uint32_t>{0, 0xffff, 0x1ffff, 0xffffffff, 0xfffe})
                                   : generate_.word();
    }

    // Whether there is, or could have been, a connection.
    bool request(Conversation& one, const Packet& packet) {
        if (packet.protocol == Protocol::TCP && packet.flags == SYN && generate_.chance(50)) {
            one.sequence = sequence();
        }
        const Program program = generate_.chance(50) ? Program::XDP_INGRESS : Program::TC_INGRESS;
        const packet::Bytes sent = frame_of(packet, one.sequence, 7).build();
        const Decision decision = model_.decide(packet);
        // A packet that is made shorter or longer has no CHECKSUM_COMPLETE afterwards.
        const test::RunOptions options{.checksum_complete = !is_refusal(decision)};
        const test::Outcome outcome = datapath_.run(program, network_.uplink, sent, options);
        cases++;
        if (is_refusal(decision) && is_over_the_limit(outcome)) {
            model_.not_forwarded(packet);
            return false;
        }
        const Observation seen = observe(program, packet, sent, outcome);
        const std::string fault = difference(model_.world(), decision, packet, seen);
        if (!fault.empty()) {
            report(packet, decision, fault, program, outcome);
            return false;
        }
        outcomes[decision.outcome]++;
        rules[decision.rule]++;
        if (seen.outcome != Outcome::FORWARDED) {
            model_.not_forwarded(packet);
            return false;
        }
        model_.forwarded(packet, *seen.to);
        one.seen_source = seen.source;
        one.seen_port = seen.source_port;
        return true;
    }

    static bool is_refusal(const Decision& decision) {
        return decision.outcome == Outcome::RESET || decision.outcome == Outcome::UNREACHABLE;
    }

    // A processor refuses so many in a tick, and the rest silently.
    bool is_over_the_limit(const test::Outcome& outcome) {
        if (tick_ != test::tick_now()) {
            tick_ = test::tick_now();
            before_ = refusals_;
            refusals_ = 0;
        }
        refusals_++;
        // The programs' clock is coarser: they may still be in the tick before.
        return before_ + refusals_ > REFUSALS_PER_TICK && outcome.verdict == Verdict::DROPPED &&
               outcome.events.counts.contains(DROP_NO_ENDPOINTS);
    }

    // What the endpoint says; the client has to see the frontend say it.
    void reply(const Conversation& one, const Destination& from) {
        std::uint8_t flags = 0;
        std::uint32_t acknowledged = 0;
        if (one.first.protocol == Protocol::TCP) {
            const unsigned dice = generate_.below(12);
            flags = dice < 7 ? SYN | ACK : dice < 10 ? ACK : dice < 11 ? FIN | ACK : RST | ACK;
            acknowledged = one.sequence + 1;
        }
        const Packet packet{.source = from.address,
                            .destination = one.seen_source,
                            .source_port = from.port,
                            .destination_port = one.seen_port,
                            .protocol = one.first.protocol,
                            .flags = flags};
        const Program program = from.is_local             ? Program::TC_EGRESS
                                : generate_.chance(50) ? Program::XDP_INGRESS
                                                       : Program::TC_INGRESS;
        const packet::Bytes sent = frame_of(packet, 1, acknowledged).build();
        const test::Outcome outcome = datapath_.run(program, network_.uplink, sent);
        cases++;
        const packet::View after(outcome.frame.bytes);
        const bool is_translated = after.saddr == one.first.destination && after.daddr == one.first.source &&
                                   after.sport == one.first.destination_port && after.dport == one.first.source_port;
        const bool is_right = is_translated && after.l4_checksum == packet::Checksum::RIGHT && after.tcp_flags == flags &&
                              outcome.verdict != Verdict::DROPPED &&
                              (from.is_local || outcome.verdict != Verdict::PASSED);
        if (!is_right) {
            report(packet, model_.decide(one.first), "the client does not see the frontend answer", program, outcome);
            return;
        }
        replies[from.is_local ? "reply of an endpoint here" : "reply of an endpoint on another node"]++;
        model_.answered(one.first, flags);
    }

    void report(const Packet& packet, const Decision& decision, const std::string& fault, Program program,
                const test::Outcome& outcome) {
        differences++;
        std::ostringstream text;
        text << "case " << cases << ", " << test::name(program) << ": " << packet << "\n  by the rules: " << decision
             << "\n  but " << fault << "; " << outcome.verdict << ' ' << outcome.events << "\n"
             << outcome.frame << '\n'
             << model_.world();
        ADD_FAILURE() << text.str();
    }

    test::Datapath& datapath_;
    const test::Network& network_;
    const FlowUpkeep upkeep_;
    Generator generate_;
    Model model_;
    std::vector<Conversation> conversations_;
    std::uint32_t tick_ = 0;
    std::uint64_t refusals_ = 0, before_ = 0;  // in this tick, in the one before
};

// The limit of refusals is each processor's.
void stay_on_one_cpu() {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
}

TEST(ContractRandom, ProgramsDoWhatTheModelSays) {
    if (geteuid() != 0) {
        GTEST_SKIP() << "needs root: loads BPF programs and makes a network namespace";
    }
    const std::uint64_t seed = from_environment("SHUNT_CONTRACT_SEED", std::random_device{}());
    const std::uint64_t wanted = from_environment("SHUNT_CONTRACT_CASES", 150000);
    std::cout << "SHUNT_CONTRACT_SEED=" << seed << std::endl;
    const test::Network& network = test::Network::enter();
    test::Datapath datapath(test::Datapath::Options{.slots = 32768});
    stay_on_one_cpu();
    Comparison comparison(datapath, network, seed);
    const auto begin = std::chrono::steady_clock::now();
    while (comparison.cases < wanted && comparison.differences < DIFFERENCES_AT_MOST) {
        comparison.episode();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << comparison.configurations << " configurations, " << comparison.cases << " packets, "
              << comparison.differences << " differences, " << took.count() << " s\n";
    for (const auto& [outcome, count] : comparison.outcomes) {
        std::cout << "  " << name(outcome) << ": " << count << '\n';
    }
    for (const auto& [rule, count] : comparison.rules) {
        std::cout << "  by rule: " << name(rule) << ": " << count << '\n';
    }
    for (const auto& [what, count] : comparison.replies) {
        std::cout << "  " << what << ": " << count << '\n';
    }
    if (comparison.differences != 0 || wanted < 100000) {
        return;
    }
    for (int i = 0; i <= static_cast<int>(Outcome::VIP_OTHER_PORT); i++) {
        EXPECT_GE(comparison.outcomes[static_cast<Outcome>(i)], OUTCOME_AT_LEAST) << name(static_cast<Outcome>(i));
    }
    for (int i = 0; i <= static_cast<int>(Rule::VIP_ECHO); i++) {
        EXPECT_GE(comparison.rules[static_cast<Rule>(i)], RULE_AT_LEAST) << name(static_cast<Rule>(i));
    }
}

}  // namespace
}  // namespace shunt::contract
