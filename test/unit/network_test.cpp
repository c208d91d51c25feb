// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "agent/network/change_judge.h"
#include "agent/network/devices.h"
#include "agent/network/driver.h"
#include "agent/network/neighbours.h"
#include "agent/network/reserved_ports.h"

namespace shunt {

void PrintTo(const NetworkChange& change, std::ostream* out) {
    *out << (change.routes_moved ? "routes_moved " : "") << (change.devices_changed ? "devices_changed " : "")
         << (change.neighbours_lost ? "neighbours_lost " : "") << (change.overrun ? "overrun" : "");
}

namespace {

constexpr unsigned ETH0 = 2;
constexpr unsigned ETH1 = 3;
constexpr unsigned POD = 17;

constexpr NetworkChange NOTHING{};
constexpr NetworkChange ROUTES{.routes_moved = true};
constexpr NetworkChange DEVICES{.devices_changed = true};
constexpr NetworkChange BOTH{.routes_moved = true, .devices_changed = true};
constexpr NetworkChange ADDRESSES{.addresses_changed = true};
constexpr NetworkChange ALL{.routes_moved = true, .devices_changed = true, .addresses_changed = true};

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

RouteMessage route(const char* destination, std::uint8_t prefix, std::vector<RouteHop> hops) {
    return {.type = RTN_UNICAST, .destination = ip(destination), .prefix = prefix, .hops = std::move(hops)};
}

LinkMessage link(unsigned ifindex, const char* name, const char* kind = "") {
    return {.ifindex = ifindex, .name = name, .kind = kind, .mtu = 1500, .flags = IFF_UP, .mac = "AAAAAA"};
}

NeighbourMessage neighbour(unsigned ifindex, const char* address, const char* mac) {
    return {.ifindex = ifindex, .address = ip(address), .mac = mac, .state = NUD_REACHABLE};
}

template <typename T>
T deleted(T message) {
    message.deleted = true;
    return message;
}

class Judging : public testing::Test {
protected:
    Judging() { judge.watch({.external = {ETH0, ETH1}, .node_addresses = {ip("198.18.0.21")}, .names = {}}); }
    ChangeJudge judge;
};

TEST_F(Judging, RoutesByExternalDevicesCount) {
    const RouteMessage external = route("198.18.7.0", 24, {{ETH0, ip("198.18.0.1")}});
    EXPECT_EQ(judge.judge(external), ROUTES);
    EXPECT_EQ(judge.judge(deleted(external)), ROUTES);
    EXPECT_EQ(judge.judge(route("2001:db8:7::", 64, {{POD, {}}, {ETH1, ip("2001:db8::1")}})), ROUTES) << "multipath";
}

TEST_F(Judging, PodRoutesDoNot) {
    const RouteMessage pod = route("198.19.3.4", 32, {{POD, {}}});
    EXPECT_EQ(judge.judge(pod), NOTHING);
    EXPECT_EQ(judge.judge(deleted(pod)), NOTHING);
    EXPECT_EQ(judge.judge(route("198.19.3.0", 24, {{POD, {}}})), NOTHING);
}

TEST_F(Judging, WhatOneCannotSeeThroughCounts) {
    RouteMessage by_object = route("198.19.0.0", 16, {{POD, {}}});
    by_object.next_hop_object = 5;
    EXPECT_EQ(judge.judge(by_object), ROUTES);
    EXPECT_EQ(judge.judge(NextHopMessage{}), ROUTES);
    RouteMessage blackhole = route("198.19.0.0", 16, {});
    blackhole.type = RTN_BLACKHOLE;
    EXPECT_EQ(judge.judge(blackhole), ROUTES);
    RouteMessage unreachable = route("2001:db8:9::", 64, {{1, {}}});  // IPv6 names lo
    unreachable.type = RTN_UNREACHABLE;
    EXPECT_EQ(judge.judge(unreachable), ROUTES);
}

TEST_F(Judging, ReplacedRouteCountsUnlessItWasAPods) {
    RouteMessage pod = route("198.19.3.4", 32, {{POD, {}}});
    pod.replaced = true;
    EXPECT_EQ(judge.judge(pod), ROUTES) << "its predecessor may have led out by eth0";
    EXPECT_EQ(judge.judge(pod), NOTHING) << "the predecessor was the pod's own";
}

TEST_F(Judging, ExceptionsOfARouteDoNotCount) {
    RouteMessage cloned = route("198.18.7.7", 32, {{ETH0, ip("198.18.0.1")}});
    cloned.cloned = true;
    EXPECT_EQ(judge.judge(cloned), NOTHING);
}

TEST_F(Judging, DefaultRoutesMakeDevicesExternal) {
    EXPECT_EQ(judge.judge(route("0.0.0.0", 0, {{9, ip("198.18.5.1")}})), BOTH);
    EXPECT_EQ(judge.judge(deleted(route("::", 0, {{ETH0, ip("2001:db8::1")}}))), BOTH);
}

TEST_F(Judging, RulesCountExceptAPods) {
    const RuleMessage pod{.source = ip("198.19.3.4")};
    EXPECT_EQ(judge.judge(pod), ROUTES) << "not known to be a pod yet";
    judge.judge(route("198.19.3.4", 32, {{POD, {}}}));
    EXPECT_EQ(judge.judge(pod), NOTHING);
    EXPECT_EQ(judge.judge(RuleMessage{.destination = ip("198.19.3.4")}), NOTHING);
    EXPECT_EQ(judge.judge(RuleMessage{.source = ip("198.19.3.4"), .inverted = true}), ROUTES);
    EXPECT_EQ(judge.judge(RuleMessage{}), ROUTES);
}

TEST_F(Judging, LinkCountsWhenSomethingOfConsequenceChanged) {
    LinkMessage eth0 = link(ETH0, "eth0");
    judge.judge(eth0);
    eth0.flags |= IFF_PROMISC;
    EXPECT_EQ(judge.judge(eth0), NOTHING);
    eth0.mtu = 9000;
    EXPECT_EQ(judge.judge(eth0), BOTH);
    eth0.mac = "BBBBBB";
    EXPECT_EQ(judge.judge(eth0), BOTH);
    eth0.flags &= ~IFF_UP;
    EXPECT_EQ(judge.judge(eth0), BOTH);
    EXPECT_EQ(judge.judge(deleted(eth0)), BOTH);
}

TEST_F(Judging, NewLinksCountWhenTheyMayBecomeExternal) {
    EXPECT_EQ(judge.judge(link(POD, "veth1234", "veth")), NOTHING);
    EXPECT_EQ(judge.judge(deleted(link(POD, "veth1234", "veth"))), NOTHING);
    EXPECT_EQ(judge.judge(link(20, "vxlan0", "vxlan")), DEVICES);
    judge.watch({.external = {}, .node_addresses = {}, .names = {"ens7"}});
    EXPECT_EQ(judge.judge(link(21, "ens7")), DEVICES);
    EXPECT_EQ(judge.judge(link(22, "vxlan1", "vxlan")), NOTHING);
}

TEST_F(Judging, AddressCountsWhenItChanged) {
    AddressMessage address{.ifindex = ETH0, .address = ip("2001:db8::21"), .prefix = 64, .flags = IFA_F_TENTATIVE};
    EXPECT_EQ(judge.judge(address), ALL);
    address.flags = 0;
    EXPECT_EQ(judge.judge(address), ALL);
    EXPECT_EQ(judge.judge(address), NOTHING) << "a router advertisement prolonged it";
    EXPECT_EQ(judge.judge(deleted(address)), ALL);
    EXPECT_EQ(judge.judge(AddressMessage{.ifindex = POD, .address = ip("198.19.3.1")}), ADDRESSES);
    EXPECT_EQ(judge.judge(AddressMessage{.ifindex = POD, .address = ip("fe80::1")}), NOTHING) << "each pod's device has one";
    EXPECT_EQ(judge.judge(AddressMessage{.ifindex = 9, .address = ip("198.18.0.21")}), ALL) << "a node address";
}

TEST(DeviceAddresses, LoopbackAndLinkLocalOnesAreNobodysToDial) {
    for (const char* address : {"127.0.0.1", "127.255.0.1", "169.254.1.1", "::1", "fe80::1", "febf::1"}) {
        EXPECT_TRUE(is_loopback_or_link_local(ip(address))) << address;
    }
    for (const char* address : {"128.0.0.1", "169.253.1.1", "10.0.0.1", "::2", "fec0::1", "fd00::1"}) {
        EXPECT_FALSE(is_loopback_or_link_local(ip(address))) << address;
    }
}

TEST_F(Judging, NeighbourCountsWhenItsMacIsAnother) {
    EXPECT_EQ(judge.judge(neighbour(ETH0, "198.18.0.1", "AAAAAA")), NOTHING);
    EXPECT_EQ(judge.judge(neighbour(ETH0, "198.18.0.1", "AAAAAA")), NOTHING);
    EXPECT_EQ(judge.judge(neighbour(ETH0, "198.18.0.1", "")), NOTHING) << "failed";
    EXPECT_EQ(judge.judge(neighbour(ETH0, "198.18.0.1", "AAAAAA")), NOTHING) << "and back";
    EXPECT_EQ(judge.judge(deleted(neighbour(ETH0, "198.18.0.1", "AAAAAA"))), NOTHING);
    EXPECT_EQ(judge.judge(neighbour(ETH0, "198.18.0.1", "BBBBBB")), ROUTES);
    EXPECT_EQ(judge.judge(neighbour(ETH1, "198.18.0.1", "CCCCCC")), NOTHING) << "another device";
    judge.judge(neighbour(POD, "198.19.3.4", "AAAAAA"));
    EXPECT_EQ(judge.judge(neighbour(POD, "198.19.3.4", "BBBBBB")), NOTHING);
}

TEST_F(Judging, DeletedManagedNeighbourIsReported) {
    NeighbourMessage managed = deleted(neighbour(ETH0, "198.18.0.1", "AAAAAA"));
    managed.extended = NTF_EXT_MANAGED;
    EXPECT_EQ(judge.judge(managed), NOTHING) << "somebody else's";
    managed.extended = 0;  // the kernel takes the mark off before it says so
    managed.protocol = NEIGHBOUR_PROTOCOL;
    EXPECT_EQ(judge.judge(managed), NetworkChange{.neighbours_lost = true});
    managed.ifindex = POD;
    EXPECT_EQ(judge.judge(managed), NOTHING);
}

TEST_F(Judging, AbsentNeighboursAreForgottenInTheEndAndThatCounts) {
    NetworkChange change;
    int events = 0;
    for (; !change.any() && events < 100'000; ++events) {
        IpAddress address = ip("2001:db8::");
        address.octets[13] = static_cast<std::uint8_t>(events >> 16);
        address.octets[14] = static_cast<std::uint8_t>(events >> 8);
        address.octets[15] = static_cast<std::uint8_t>(events);
        NeighbourMessage message{.ifindex = ETH0, .address = address, .mac = "AAAAAA"};
        change = judge.judge(message);
        judge.judge(deleted(message));
    }
    EXPECT_EQ(change, ROUTES);
    EXPECT_GT(events, 10'000);
    EXPECT_LT(events, 20'000);
}

TEST(IsExternal, ByTheRule) {
    const std::vector<AddressMessage> addresses = {
        {.ifindex = 1, .address = ip("198.18.0.21")},
        {.ifindex = ETH0, .address = ip("198.18.0.21")},
        {.ifindex = POD, .address = ip("198.19.3.1")},
    };
    const DeviceSelection selection{.node_addresses = {ip("198.18.0.21")}, .names = {}};
    const std::set<unsigned> default_routes = {1, ETH1, 30};
    const auto external = [&](const LinkMessage& link) {
        return is_external(link, addresses, default_routes, selection);
    };
    LinkMessage lo = link(1, "lo");
    lo.flags |= IFF_LOOPBACK;
    EXPECT_FALSE(external(lo));
    EXPECT_TRUE(external(link(ETH0, "eth0")));
    EXPECT_TRUE(external(link(ETH1, "eth1"))) << "a default route";
    EXPECT_FALSE(external(link(POD, "veth1", "veth"))) << "an address that is not the node's";
    LinkMessage tunnel = link(20, "tunl0", "ipip");
    EXPECT_TRUE(external(tunnel));
    tunnel.flags = 0;
    EXPECT_FALSE(external(tunnel)) << "made by its module, wanted by nobody";
    LinkMessage pair = link(30, "cni_host", "veth");
    EXPECT_TRUE(external(pair));
    pair.peer_is_here = true;
    EXPECT_FALSE(external(pair)) << "leads back here";
}

TEST(IsExternal, ByName) {
    const DeviceSelection selection{.node_addresses = {ip("198.18.0.21")}, .names = {"eth1"}};
    const std::vector<AddressMessage> addresses = {{.ifindex = ETH0, .address = ip("198.18.0.21")}};
    EXPECT_FALSE(is_external(link(ETH0, "eth0"), addresses, {ETH0}, selection));
    EXPECT_TRUE(is_external(link(ETH1, "eth1"), addresses, {}, selection));
}

TEST(SourceAddress, PrefersTheNodesThenPrimaryGlobalOnes) {
    const std::vector<AddressMessage> addresses = {
        {.ifindex = ETH0, .address = ip("fe80::1"), .scope = RT_SCOPE_LINK},
        {.ifindex = ETH0, .address = ip("2001:db8::1"), .flags = IFA_F_TENTATIVE},
        {.ifindex = ETH0, .address = ip("2001:db8::2"), .flags = IFA_F_DEPRECATED},
        {.ifindex = ETH0, .address = ip("2001:db8::3"), .flags = IFA_F_TEMPORARY},
        {.ifindex = ETH0, .address = ip("2001:db8::4")},
        {.ifindex = ETH0, .address = ip("2001:db8::5")},
        {.ifindex = ETH1, .address = ip("198.18.0.9")},
    };
    EXPECT_EQ(source_address(ETH0, IPV6, addresses, {}), ip("2001:db8::4"));
    const std::vector<IpAddress> node = {ip("2001:db8::5")};
    EXPECT_EQ(source_address(ETH0, IPV6, addresses, node), ip("2001:db8::5"));
    EXPECT_EQ(source_address(ETH0, IPV4, addresses, {}), std::nullopt);
    EXPECT_EQ(source_address(ETH1, IPV4, addresses, {}), ip("198.18.0.9"));
    EXPECT_EQ(source_address(ETH0, IPV6, std::span(addresses).first(4), {}), ip("2001:db8::3"));
}

TEST(Driver, KnownOnesTransmit) {
    EXPECT_TRUE(is_transmitting_driver("ena"));
    EXPECT_FALSE(is_transmitting_driver("e1000"));
    EXPECT_FALSE(is_transmitting_driver(""));
}

TEST(PlanNeighbours, ChangesOnlyWhatIsOursToChange) {
    const auto at = [](const char* address) { return Neighbour{ETH0, ip(address)}; };
    const NeighbourEntry ours{.state = NUD_REACHABLE, .extended = NTF_EXT_MANAGED, .protocol = NEIGHBOUR_PROTOCOL};
    const NeighbourEntry others{.state = NUD_REACHABLE, .extended = NTF_EXT_MANAGED, .protocol = 0};
    const std::map<Neighbour, NeighbourEntry> current = {
        {at("198.18.0.2"), {.state = NUD_STALE}},
        {at("198.18.0.3"), {.state = NUD_PERMANENT}},
        {at("198.18.0.4"), {.state = NUD_REACHABLE, .flags = NTF_EXT_LEARNED}},
        {at("198.18.0.5"), ours},
        {at("198.18.0.6"), others},
        {at("198.18.0.7"), ours},
        {at("198.18.0.8"), others},
        {at("198.18.0.9"), {.state = NUD_REACHABLE, .protocol = NEIGHBOUR_PROTOCOL}},  // released before
    };
    const std::set<Neighbour> wanted = {at("198.18.0.1"), at("198.18.0.2"), at("198.18.0.3"),
                                        at("198.18.0.4"), at("198.18.0.5"), at("198.18.0.6")};
    EXPECT_EQ(plan_neighbours(wanted, current),
              (NeighbourPlan{.manage = {at("198.18.0.1"), at("198.18.0.2")}, .release = {at("198.18.0.7")}}));
}

TEST(Ports, ListIsParsedAndPrinted) {
    EXPECT_EQ(parse_port_list("\n"), std::vector<PortRange>{});
    EXPECT_EQ(parse_port_list("8080,9000-9010\n"), (std::vector<PortRange>{{8080, 8080}, {9000, 9010}}));
    EXPECT_EQ(format_port_list({{8080, 8080}, {9000, 9010}}), "8080,9000-9010");
    EXPECT_EQ(format_port_list({}), "");
    for (const char* wrong : {",", "1,", "1,,2", "a", "9-1", "1-", "65536", "-1"}) {
        EXPECT_EQ(parse_port_list(wrong), std::nullopt) << wrong;
    }
}

TEST(Ports, RangesAreMerged) {
    using List = std::vector<PortRange>;
    EXPECT_EQ(merge_port_range({}, {10, 20}), (List{{10, 20}}));
    EXPECT_EQ(merge_port_range({{1, 2}, {30, 40}}, {10, 20}), (List{{1, 2}, {10, 20}, {30, 40}}));
    EXPECT_EQ(merge_port_range({{5, 9}, {21, 25}}, {10, 20}), (List{{5, 25}}));
    EXPECT_EQ(merge_port_range({{5, 30}}, {10, 20}), (List{{5, 30}}));
    EXPECT_EQ(merge_port_range({{12, 13}, {15, 16}}, {10, 20}), (List{{10, 20}}));
    EXPECT_EQ(merge_port_range({{65535, 65535}}, {1, 1}), (List{{1, 1}, {65535, 65535}}));
}

}  // namespace
}  // namespace shunt
