// SPDX-License-Identifier: Apache-2.0
// A million odd packets through each program. Whatever they are, each one is passed as it came, dropped, or
// translated as judge.h says; and at least a fifth is forwarded, so that the run tests something.
#include <gtest/gtest.h>

#include <cstdlib>

#include "test/bpf/fixture.h"
#include "test/bpf/judge.h"
#include "test/bpf/mutator.h"
#include "test/bpf/wire.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

constexpr std::size_t SERVICE_PORTS = 3;  // to a1, b1 and c1

class Mutation : public DatapathTest {
protected:
    void SetUp() override {
        DatapathTest::SetUp();
        if (IsSkipped()) {
            return;
        }
        for (const int version : {4, 6}) {
            for (const l4_protocol protocol : {::TCP, ::UDP}) {
                open_flows(version, protocol);
            }
        }
    }

    static std::size_t packets() {
        const char* text = std::getenv("SHUNT_MUTATIONS");
        return text ? std::strtoull(text, nullptr, 10) : 1000000;
    }

    static Judge judge() {
        std::set<Bytes> frontends, pods, nodes;
        for (const int version : {4, 6}) {
            frontends.insert(address_bytes(vip.address(version)));
            for (const Actor* pod : {&a1, &b1, &c1}) {
                pods.insert(address_bytes(pod->address(version)));
            }
            for (const Actor* node : {&node_a, &node_a_storage}) {
                nodes.insert(address_bytes(node->address(version)));
            }
        }
        return {frontends, pods, nodes};
    }

    static Packet packet(int version, l4_protocol protocol, const Tuple& tuple, std::uint8_t flags, bool odd) {
        Packet packet = Ethernet{.daddr = node_a.mac, .saddr = router.mac};
        if (version == 4) {
            packet /= IPv4{.saddr = tuple.saddr,
                           .daddr = tuple.daddr,
                           .ttl = 61,
                           .options = odd ? Bytes{0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0} : Bytes{}};
        } else {
            packet /= IPv6{.saddr = tuple.saddr, .daddr = tuple.daddr, .hop_limit = 61};
        }
        if (protocol == ::TCP) {
            packet /= packet::TCP{.sport = tuple.sport, .dport = tuple.dport, .flags = flags};
        } else {
            packet::UDP udp{.sport = tuple.sport, .dport = tuple.dport};
            if (odd) {
                udp.checksum = 0;
            }
            packet /= udp;
        }
        return packet / Payload{odd ? "GET /v1/order" : "GET /v1/orders"};
    }

    // Three services on the VIP's ports, an established flow to each, and samples of both directions.
    void open_flows(int version, l4_protocol protocol) {
        const Actor* pods[SERVICE_PORTS] = {&a1, &b1, &c1};
        for (std::uint16_t i = 0; i < SERVICE_PORTS; i++) {
            const auto port = static_cast<std::uint16_t>(FRONTEND_PORT + i);
            const Tuple request{client.address(version), CLIENT_PORT, vip.address(version), port};
            datapath().serve({{request.daddr, port, protocol}}, {{pods[i]->address(version), POD_PORT, i == 0}});
            run(Program::TC_INGRESS, packet(version, protocol, request, SYN, false));
            Tuple reply{pods[i]->address(version), POD_PORT, request.saddr, CLIENT_PORT};
            for (const Flow& flow : datapath().flows()) {
                if (flow.kind == RECIPE_REMOTE_REPLY && flow.key.saddr == reply.saddr &&
                    flow.key.protocol == protocol) {
                    reply = {reply.saddr, POD_PORT, flow.key.daddr, flow.key.dport};
                }
            }
            const Program reply_program = i == 0 ? Program::TC_EGRESS : Program::TC_INGRESS;
            run(reply_program, packet(version, protocol, reply, SYN | ACK, false));
            run(Program::TC_INGRESS, packet(version, protocol, request, ACK, false));
            for (const bool odd : {false, true}) {
                (i == 0 ? egress_samples_ : ingress_samples_).push_back(packet(version, protocol, reply, ACK, odd));
                ingress_samples_.push_back(packet(version, protocol, request, ACK, odd));
            }
            // Also a new flow, and the next packet of it.
            const Tuple another{other_client.address(version), CLIENT_PORT, vip.address(version), port};
            ingress_samples_.push_back(packet(version, protocol, another, SYN, false));
        }
    }

    void run(Program program, const Packet& packet) {
        EXPECT_NE(datapath().run(program, network().uplink, packet).frame, Frame(packet));
    }

    // What became of them; and the first few that went wrong.
    struct Tally {
        std::map<std::string, std::size_t> verdicts, faults;
        std::size_t total = 0, forwarded = 0;

        void add(const char* verdict, bool is_forwarded) {
            verdicts[std::string(verdict) + (is_forwarded ? ", translated" : "")]++;
            forwarded += is_forwarded;
            total++;
        }
        void add_fault(const std::string& fault, std::span<const std::uint8_t> before,
                       std::span<const std::uint8_t> after) {
            if (faults[fault]++ < 2) {
                ADD_FAILURE() << fault << "\nbefore: " << packet::to_string(before)
                              << "\nafter:  " << packet::to_string(after);
            }
        }
        void print(const char* what) const {
            std::printf("%s: %zu packets", what, total);
            for (const auto& [verdict, count] : verdicts) {
                std::printf("; %s %.2f %%", verdict.c_str(),
                            100.0 * static_cast<double>(count) / static_cast<double>(total));
            }
            std::printf("\n");
            for (const auto& [fault, count] : faults) {
                std::printf("    %zu times: %s\n", count, fault.c_str());
            }
        }
        double forwarded_share() const { return static_cast<double>(forwarded) / static_cast<double>(total); }
    };

    // Into the program by the kernel's test run.
    Tally mutate_under_test_run(Program program, std::span<const Bytes> samples, std::uint64_t seed) {
        const Judge judge = Mutation::judge();
        const Device& device = network().uplink;
        Random random(seed);
        Tally tally;
        Bytes frame, out(4096);
        while (tally.total < packets()) {
            frame = samples[random.below(samples.size())];
            mutate(frame, random);
            const Datapath::Raw raw = datapath().run_raw(program, device, frame, out, {.checksum_complete = false});
            const bool is_changed = !std::equal(frame.begin(), frame.end(), raw.frame.begin(), raw.frame.end());
            const bool is_sent = raw.verdict == Verdict::SENT_BACK || raw.verdict == Verdict::REDIRECTED;
            const bool is_forwarded = is_sent || (raw.verdict == Verdict::PASSED && is_changed);
            if (raw.verdict == Verdict::REFUSED) {
                continue;  // by the kernel: too short for its test run
            }
            tally.add(name(raw.verdict), is_forwarded && !is_sent);
            tally.forwarded += is_sent;
            if (is_forwarded) {
                const Judge::Out way = !is_sent                        ? Judge::Out::STAYED
                                       : program == Program::TC_EGRESS ? Judge::Out::ASIDE
                                                                       : Judge::Out::SENT;
                const std::string fault = judge.fault(frame, raw.frame, way);
                if (!fault.empty()) {
                    tally.add_fault(fault, frame, raw.frame);
                }
            } else if (raw.verdict == Verdict::OTHER) {
                tally.add_fault("unknown verdict", frame, raw.frame);
            }
        }
        tally.print(name(program));
        return tally;
    }

    // By the programs' own count.
    static std::uint64_t forwarded_count() {
        Events events = datapath().events();
        return events.counts[FORWARDED_LOCAL_REQUEST] + events.counts[FORWARDED_REMOTE_REQUEST] +
               events.counts[FORWARDED_REMOTE_REPLY] + events.counts[FORWARDED_LOCAL_REPLY];
    }

    std::vector<Bytes> ingress_samples_, egress_samples_;
};

constexpr double A_FIFTH = 0.2;

TEST_F(Mutation, XdpIngress) {
    const Tally tally = mutate_under_test_run(Program::XDP_INGRESS, ingress_samples_, 1);
    EXPECT_TRUE(tally.faults.empty());
    EXPECT_GE(tally.forwarded_share(), A_FIFTH);
}

TEST_F(Mutation, TcIngress) {
    const Tally tally = mutate_under_test_run(Program::TC_INGRESS, ingress_samples_, 2);
    EXPECT_TRUE(tally.faults.empty());
    EXPECT_GE(tally.forwarded_share(), A_FIFTH);
}

TEST_F(Mutation, TcEgress) {
    const Tally tally = mutate_under_test_run(Program::TC_EGRESS, egress_samples_, 3);
    EXPECT_TRUE(tally.faults.empty());
    EXPECT_GE(tally.forwarded_share(), A_FIFTH);
}

// The kernel's test run cannot put metadata before an skb, so here the program sees no mark and may touch nothing.
TEST_F(Mutation, TcIngressAfterXdpWithoutTheMark) {
    const Events before = datapath().events();
    const Tally tally = mutate_under_test_run(Program::TC_INGRESS_AFTER_XDP, ingress_samples_, 4);
    EXPECT_TRUE(tally.faults.empty());
    EXPECT_EQ(tally.forwarded, 0u);
    EXPECT_EQ(tally.verdicts.size(), 1u);
    EXPECT_EQ(datapath().events(), before);
}

// With it: frames come in by a real device, where an XDP program marks them all.
TEST_F(Mutation, TcIngressAfterXdp) {
    const Judge judge = Mutation::judge();
    Wire wire(network());
    wire.mark_everything();
    wire.attach_tc(network().uplink, Wire::Direction::INGRESS, datapath().program_fd(Program::TC_INGRESS_AFTER_XDP));
    wire.record_behind_ingress();
    wire.record_egress(network().uplink);
    wire.record_egress(network().storage);
    const volatile recording& raw = wire.raw();
    const auto* bytes = const_cast<const std::uint8_t*>(raw.bytes);
    const std::uint64_t before = forwarded_count();
    Random random(5);
    Tally tally;
    Bytes frame;
    std::uint32_t sent = 0, recorded = 0;
    std::size_t late = 0;
    for (std::size_t i = 0; i < packets(); i++) {
        frame = ingress_samples_[random.below(ingress_samples_.size())];
        mutate(frame, random);
        ASSERT_EQ(wire.send(frame), 0);
        for (sent++; raw.marked != sent;) {
        }
        if (raw.recorded == recorded) {
            tally.add("dropped", false);
            continue;
        }
        recorded = raw.recorded;
        if (raw.marked_then != sent) {
            late++;  // of the packet before, which was called dropped
            continue;
        }
        const std::span<const std::uint8_t> after(bytes, raw.length);
        if (raw.tagged) {  // recorded without its tag: nothing to compare with
            tally.add("passed", false);
            continue;
        }
        const bool is_changed = !std::equal(frame.begin(), frame.end(), after.begin(), after.end());
        const bool is_sent = raw.at_egress;
        tally.add(is_sent ? "redirected" : "passed", is_changed && !is_sent);
        tally.forwarded += is_sent;
        if (is_changed || is_sent) {
            const std::string fault = judge.fault(frame, after, is_sent ? Judge::Out::SENT : Judge::Out::STAYED);
            if (!fault.empty()) {
                tally.add_fault(fault, frame, after);
            }
        }
    }
    tally.print("tc_ingress_after_xdp, marked");
    EXPECT_TRUE(tally.faults.empty());
    EXPECT_LE(late, packets() / 1000);
    EXPECT_GE(tally.forwarded_share(), A_FIFTH);
    EXPECT_EQ(tally.forwarded + late, forwarded_count() - before);
}

}  // namespace
}  // namespace shunt::test
