// SPDX-License-Identifier: Apache-2.0
// Frames cut off at every byte, and lengths that contradict the frame. The rule for all of them: what is not whole
// passes as it came. The kernel's test run takes frames from 14 bytes on, and for tc none that ends in the IP
// header; wire_test.cpp sends those.
#include <algorithm>

#include "test/bpf/fixture.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

class Truncation : public CaseTest {
protected:
    void SetUp() override {
        CaseTest::SetUp();
        if (IsSkipped()) {
            return;
        }
        serve({local(a1)});
        datapath().serve({{of(other_vip), FRONTEND_PORT, protocol()}}, {remote(b1)});
        come_in(request());
        come_in(packet(from_router(), {of(client), CLIENT_PORT, of(other_vip), FRONTEND_PORT}, SYN));
        flows_ = datapath().flows();
    }

    struct Sample {
        Program program;
        Bytes frame;
        std::size_t headers;  // bytes of Ethernet, IP and L4 header
    };

    // A packet of each kind that is forwarded when whole.
    std::vector<Sample> samples() const {
        const Tuple tuples[] = {dialled(),
                                {of(client), CLIENT_PORT, of(other_vip), FRONTEND_PORT},
                                dialled(CLIENT_PORT + 1),
                                {of(b1), POD_PORT, of(node_a), snat_port()}};
        const std::size_t headers = 14 + (version() == 4 ? 20u : 40u) + (is_tcp() ? 20u : 8u);
        std::vector<Sample> samples;
        for (const Tuple& tuple : tuples) {
            samples.push_back({ingress(), packet(from_router(), tuple, SYN), headers});
            if (version() == 4) {
                samples.push_back(
                    {ingress(), packet(from_router(), tuple, SYN, {.ipv4_options = Bytes(12, 1)}), headers + 12});
            }
        }
        samples.push_back(
            {Program::TC_EGRESS, packet(to_router(), {of(a1), POD_PORT, of(client), CLIENT_PORT}, ACK), headers});
        return samples;
    }

    void set_length(Bytes& frame, std::size_t l3_size) const {
        const std::size_t offset = version() == 4 ? 14 + 2 : 14 + 4;
        const std::size_t value = version() == 4 ? l3_size : l3_size < 40 ? 0 : l3_size - 40;
        if (frame.size() >= offset + 2) {
            frame[offset] = static_cast<std::uint8_t>(value >> 8);
            frame[offset + 1] = static_cast<std::uint8_t>(value);
        }
        if (version() == 4 && frame.size() >= 34) {  // a header checksum that is right again
            frame[24] = frame[25] = 0;
            const std::uint16_t sum = checksum_of_header(frame);
            frame[24] = static_cast<std::uint8_t>(sum >> 8);
            frame[25] = static_cast<std::uint8_t>(sum);
        }
    }

    static std::uint16_t checksum_of_header(const Bytes& frame) {
        const std::size_t size = std::min<std::size_t>((frame[14] & 0xf) * 4u, frame.size() - 14);
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i + 1 < size; i += 2) {
            sum += static_cast<std::uint32_t>(frame[14 + i] << 8 | frame[15 + i]);
        }
        sum = (sum & 0xffff) + (sum >> 16);
        return static_cast<std::uint16_t>(~(sum + (sum >> 16)));
    }

    // Untouched, and counted as malformed or not ours; nothing else moved.
    void expect_untouched(Program program, const Bytes& frame) {
        const Outcome outcome = datapath().run(program, network().uplink, frame, {.checksum_complete = false});
        if (program != Program::XDP_INGRESS && frame.size() < 14 + (version() == 4 ? 20u : 40u) &&
            outcome.verdict == Verdict::REFUSED) {
            return;
        }
        EXPECT_EQ(outcome.verdict, Verdict::PASSED);
        EXPECT_EQ(outcome.frame, Frame(frame));
        EXPECT_TRUE(outcome.metadata.empty());
        EXPECT_TRUE(outcome.events == Events{} || outcome.events == Events{PASSED_MALFORMED}) << outcome.events;
    }

    std::vector<Flow> flows_;
};

TEST_P(Truncation, WholeSamplesAreForwarded) {
    for (const Sample& sample : samples()) {
        const Outcome outcome = datapath().run(sample.program, network().uplink, sample.frame);
        EXPECT_NE(outcome.frame, Frame(sample.frame));
    }
}

TEST_P(Truncation, CutAtEveryByte) {
    for (const Sample& sample : samples()) {
        for (std::size_t size = 14; size < sample.frame.size(); size++) {
            SCOPED_TRACE(size);
            expect_untouched(sample.program, {sample.frame.begin(), sample.frame.begin() + static_cast<long>(size)});
        }
    }
    expect_flows(flows_);
}

// The IP length agrees with the cut, so that only the missing L4 header gives it away.
TEST_P(Truncation, CutWithAMatchingLength) {
    for (const Sample& sample : samples()) {
        for (std::size_t size = 14; size < sample.headers; size++) {
            SCOPED_TRACE(size);
            Bytes frame(sample.frame.begin(), sample.frame.begin() + static_cast<long>(size));
            set_length(frame, size - 14);
            expect_untouched(sample.program, frame);
        }
    }
    expect_flows(flows_);
}

// What looks like the L4 header lies behind the packet's end: Ethernet padding, which the receiver cuts off.
TEST_P(Truncation, LengthThatEndsBeforeTheL4HeaderDoes) {
    for (const Sample& sample : samples()) {
        for (std::size_t size = 0; size < sample.headers - 14; size++) {
            SCOPED_TRACE(size);
            Bytes frame = sample.frame;
            set_length(frame, size);
            expect_untouched(sample.program, frame);
        }
    }
    expect_flows(flows_);
}

TEST_P(Truncation, LengthBeyondTheFrame) {
    for (const Sample& sample : samples()) {
        for (const std::size_t more : {1u, 2u, 100u, 60000u}) {
            SCOPED_TRACE(more);
            Bytes frame = sample.frame;
            set_length(frame, frame.size() - 14 + more);
            expect_untouched(sample.program, frame);
        }
    }
    expect_flows(flows_);
}

TEST_P(Truncation, WrongVersionOrHeaderLength) {
    for (const Sample& sample : samples()) {
        for (int first = 0; first < 256; first++) {
            Bytes frame = sample.frame;
            const bool is_right = version() == 4 ? first == sample.frame[14] : first >> 4 == 6;
            frame[14] = static_cast<std::uint8_t>(first);
            // A shorter IPv4 header that is long enough, or a longer one that fits: another packet, not a broken one.
            const std::size_t size = (static_cast<unsigned>(first) & 0xf) * 4;
            const bool is_another =
                version() == 4 && first >> 4 == 4 && size >= 20 && 14 + size + (is_tcp() ? 20u : 8u) <= frame.size();
            if (!is_right && !is_another) {
                SCOPED_TRACE(first);
                expect_untouched(sample.program, frame);
            }
        }
    }
    expect_flows(flows_);
}

INSTANTIATE_TEST_SUITE_P(, Truncation, testing::ValuesIn(all_cases()),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace shunt::test
