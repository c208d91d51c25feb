// SPDX-License-Identifier: Apache-2.0
// What the tests of single frames have in common: the case (family, protocol, hook), packets in its terms, and
// comparisons that leave nothing out.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/bpf/datapath.h"

namespace shunt::test {

// Skips without root. One datapath for all tests of the process, emptied before each.
class DatapathTest : public testing::Test {
protected:
    void SetUp() override;

    const Network& network() const { return Network::enter(); }
    static Datapath& datapath();

    // No flow but these, in any order.
    static void expect_flows(const std::vector<Flow>& expected, const Datapath& datapath = DatapathTest::datapath());
};

struct Case {
    int version;           // of IP: 4 or 6
    l4_protocol protocol;  // TCP or UDP
    Program ingress;       // XDP_INGRESS or TC_INGRESS
};

std::string to_string(const Case& c);  // "IPv4_TCP_XDP"
std::ostream& operator<<(std::ostream& out, const Case& c);
std::vector<Case> all_cases();
std::vector<Case> tcp_cases();

// From whom to whom a frame goes on its link.
struct Link {
    packet::Mac from, to;
};

struct Tuple {
    packet::Address saddr;
    std::uint16_t sport;
    packet::Address daddr;
    std::uint16_t dport;
};

inline constexpr std::uint16_t CLIENT_PORT = 40001;
inline constexpr std::uint16_t FRONTEND_PORT = 80;
inline constexpr std::uint16_t POD_PORT = 8080;

class CaseTest : public DatapathTest, public testing::WithParamInterface<Case> {
protected:
    int version() const { return GetParam().version; }
    l4_protocol protocol() const { return GetParam().protocol; }
    Program ingress() const { return GetParam().ingress; }
    bool is_tcp() const { return protocol() == ::TCP; }
    bool is_xdp() const { return ingress() == Program::XDP_INGRESS; }
    const packet::Address& of(const packet::Actor& actor) const { return actor.address(version()); }

    struct Options {
        std::uint8_t ttl = 61;
        std::string payload = "GET /v1/order";  // of odd length
        bool no_checksum = false;               // UDP only
        packet::Bytes ipv4_options{};
    };
    // `flags` are TCP's; UDP has none.
    packet::Packet packet(const Link& link, const Tuple& tuple, std::uint8_t flags, const Options& options) const;
    packet::Packet packet(const Link& link, const Tuple& tuple, std::uint8_t flags) const {
        return packet(link, tuple, flags, Options());
    }

    // client > vip, as it comes in from the router.
    Tuple dialled(std::uint16_t client_port = CLIENT_PORT) const;
    packet::Packet request(std::uint8_t flags, const Options& options) const;
    packet::Packet request(std::uint8_t flags = packet::SYN) const { return request(flags, Options()); }

    std::uint32_t serve(const std::vector<BackendAt>& backends) const;
    BackendAt local(const packet::Actor& pod) const { return {of(pod), POD_PORT, true}; }
    BackendAt remote(const packet::Actor& pod) const { return {of(pod), POD_PORT, false}; }

    // Runs the case's ingress program, or tc_egress.
    Outcome come_in(const packet::Packet& packet, RunOptions options = {}) const;
    Outcome come_in(const Device& device, const packet::Packet& packet, RunOptions options = {}) const;
    Outcome go_out(const packet::Packet& packet, RunOptions options = {}) const;

    // XDP_TX if it leaves by the device it came in on, else a redirect; on tc always a redirect.
    Verdict sent(const Device& in, const Device& out) const;

    // Verdict, whole frame, no metadata, all counters.
    static void expect(const Outcome& outcome, Verdict verdict, const packet::Frame& frame, const Events& events);

    // The source port that the only flow to another node was given; checks that it is in the range.
    std::uint16_t snat_port() const;

    // The two entries of a flow of dialled(), in `state`.
    std::vector<Flow> local_flow(flow_state state, const packet::Actor& pod, std::uint32_t service,
                                 std::uint32_t backend) const;
};

const Link& from_router();
const Link& to_router();
const Link& to_node_b();
const Link& from_node_b();
const Link& to_node_c();
const Link& from_node_c();

}  // namespace shunt::test
