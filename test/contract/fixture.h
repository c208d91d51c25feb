// SPDX-License-Identifier: Apache-2.0
// What the contract's tests have in common: a node in its cluster, a Service named orders, and its clients' packets through
// the real planner and the real programs.
#pragma once

#include <memory>
#include <string>

#include "test/bpf/fixture.h"
#include "test/contract/installation.h"
#include "test/contract/observer.h"

namespace shunt::contract {

inline constexpr std::uint16_t PORT = 80, NODE_PORT = 30080, TARGET_PORT = 8080;

// Of a connection: the client's first packet, and where it went.
struct Talk {
    Packet first;
    std::uint32_t sequence = 1000;
    Observation seen{};
};

class ContractTest : public test::CaseTest {
protected:
    void SetUp() override;
    void TearDown() override { installation_.reset(); }

    // A ready endpoint on node-a, node-b or node-c, as its address says.
    Endpoint at(const packet::Actor& pod) const;
    // type LoadBalancer, one port of the case's protocol, behind a VIP, a node port and an external IP.
    Service orders_with(std::vector<Endpoint> endpoints) const;
    Service& orders() { return world.services["orders"]; }
    std::vector<Endpoint>& endpoints() { return orders().slices.front().endpoints; }
    void set_endpoints(std::vector<Endpoint> endpoints) { orders().slices.front().endpoints = std::move(endpoints); }
    // What stands in `world` comes into force.
    void in_force() { installation_->put(world); }
    void restart_agent() { installation_->restart(); }

    Address vip() const { return of(packet::actors::vip); }
    Address external_ip() const { return of(packet::actors::other_vip); }
    Address node() const { return of(packet::actors::node_a); }
    Address client() const { return of(packet::actors::client); }
    Address pod_client() const { return version() == 4 ? "198.19.2.91" : "2001:db8:19:2::91"; }

    // To the VIP's port, unless told otherwise; from a port that was not used yet.
    Packet dial() { return dial(vip(), PORT); }
    Packet dial(const Address& address, std::uint16_t port) { return dial(client(), address, port); }
    Packet dial(const Address& from, const Address& address, std::uint16_t port);

    struct Sent {
        packet::Bytes frame;
        test::Outcome outcome;
        Observation seen;
    };
    Sent send(const Packet& packet, std::uint32_t sequence = 1000, std::uint32_t acknowledged = 0);

    // The first packet; it has to be forwarded.
    Talk begin(const Packet& packet, std::uint32_t sequence = 1000);
    Talk begin() { return begin(dial()); }
    // A packet of the client; it has to be forwarded. Where to.
    Destination say(Talk& talk, std::uint8_t flags = ACK);
    // The endpoint's; the client has to see the frontend.
    void answer(const Talk& talk, std::uint8_t flags = SYN | ACK);
    // All of a handshake; UDP: an answer.
    Talk establish(const Packet& packet);
    Talk establish() { return establish(dial()); }

    // Where connections from many client ports go.
    std::map<std::string, int> spread(const Address& address, std::uint16_t port, int connections = 60);
    std::map<std::string, int> spread(const Address& from, const Address& address, std::uint16_t port, int connections = 60);
    std::map<std::string, int> spread() { return spread(vip(), PORT); }
    // "a1 b1": those that got some.
    std::string reached(const Address& from, const Address& address, std::uint16_t port);
    std::string reached(const Address& address, std::uint16_t port) { return reached(client(), address, port); }
    std::string reached() { return reached(vip(), PORT); }
    static std::string name_of(const Address& pod);

    void expect_outcome(const Packet& packet, Outcome outcome);
    Outcome refusal() const { return is_tcp() ? Outcome::RESET : Outcome::UNREACHABLE; }
    std::uint64_t counted(event event) const;
    // Until one has begun for the programs, too, whose clock is coarser.
    static void wait_for_a_new_tick();

    World world;

private:
    std::unique_ptr<Installation> installation_;
    std::uint16_t next_port_ = 20000;
};

}  // namespace shunt::contract
