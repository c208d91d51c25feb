// SPDX-License-Identifier: Apache-2.0
// What `shunt check` reads of other people's rules, against the kernel, in a network namespace of its own: needs root.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>

#include "agent/check/check.h"
#include "agent/check/tc_filters.h"

namespace shunt {
namespace {

class CheckKernel : public testing::Test {
protected:
    void SetUp() override { ASSERT_EQ(::unshare(CLONE_NEWNET), 0); }

    static void run(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }
};

class CheckLegacy : public CheckKernel, public testing::WithParamInterface<const char*> {
protected:
    static std::vector<NetfilterChain> read() {
        auto chains = read_legacy_chains(Machine());
        EXPECT_TRUE(chains) << chains.error().message();
        return chains.value_or(std::vector<NetfilterChain>{});
    }
    static bool has(const std::vector<NetfilterChain>& chains, const std::string& table, const std::string& name) {
        return std::ranges::any_of(chains, [&](const auto& c) { return c.is_legacy && c.table == table && c.name == name; });
    }
    static bool forward_drops(const std::vector<NetfilterChain>& chains) {
        return std::ranges::any_of(chains, [](const auto& c) { return c.filters_forwarded && c.drops_unless_told; });
    }
};

TEST_P(CheckLegacy, KubeProxysChainsAndThePolicyOfForward) {
    const std::string iptables = GetParam();
    EXPECT_TRUE(read().empty());
    if (std::system((iptables + " -t filter -S >/dev/null 2>&1").c_str()) != 0) {
        GTEST_SKIP() << "this kernel has no legacy iptables";
    }
    EXPECT_FALSE(has(read(), "nat", "KUBE-SERVICES"));
    run(iptables + " -t nat -N KUBE-SERVICES");
    run(iptables + " -t nat -A KUBE-SERVICES -p tcp --dport 80 -m comment --comment web -j RETURN");
    run(iptables + " -t nat -A PREROUTING -j KUBE-SERVICES");
    run(iptables + " -A FORWARD -p udp -j ACCEPT");
    std::vector<NetfilterChain> chains = read();
    EXPECT_TRUE(has(chains, "nat", "KUBE-SERVICES"));
    EXPECT_FALSE(has(chains, "filter", "KUBE-SERVICES"));
    EXPECT_FALSE(has(chains, "nat", "ERROR")) << "the end of a table is no chain";
    EXPECT_FALSE(forward_drops(chains));
    run(iptables + " -P FORWARD DROP");
    EXPECT_TRUE(forward_drops(read()));
}

INSTANTIATE_TEST_SUITE_P(Families, CheckLegacy, testing::Values("iptables-legacy", "ip6tables-legacy"),
                         [](const auto& info) { return std::string(info.param) == "iptables-legacy" ? "IPv4" : "IPv6"; });

class CheckFilters : public CheckKernel {
protected:
    void SetUp() override {
        CheckKernel::SetUp();
        run("ip link add ext0 type veth peer name ext1 && ip link set ext0 up");
        device_.name = "ext0";
        device_.ifindex = if_nametoindex("ext0");
        device_.up = true;
        device_.has_link_layer = true;
        device_.mtu = 1500;
    }

    ExternalDevice device_;
};

TEST_F(CheckFilters, NoneWithoutAQdisc) {
    const auto filters = read_tc_filters(device_.ifindex);
    ASSERT_TRUE(filters) << filters.error().message();
    EXPECT_TRUE(filters->empty());
    EXPECT_EQ(check_device(device_, "/nowhere", false).front().level, Level::ok);
}

TEST_F(CheckFilters, SomebodyElsesAreNamed) {
    run("tc qdisc add dev ext0 clsact");
    EXPECT_TRUE(read_tc_filters(device_.ifindex)->empty());
    run("tc filter add dev ext0 ingress pref 7 u32 match u32 0 0 classid 1:1");
    run("tc filter add dev ext0 egress pref 1 bpf da bytecode '1,6 0 0 4294967295'");  // one instruction: pass
    const auto filters = read_tc_filters(device_.ifindex);
    ASSERT_TRUE(filters) << filters.error().message();
    ASSERT_EQ(filters->size(), 2U);
    EXPECT_EQ(filters->at(0).kind, "u32");
    EXPECT_TRUE(filters->at(0).ingress);
    EXPECT_EQ(filters->at(0).preference, 7U);
    EXPECT_EQ(filters->at(1).kind, "bpf");
    EXPECT_FALSE(filters->at(1).ingress);

    const Findings found = check_device(device_, "/nowhere", false);
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].level, Level::note);
    EXPECT_NE(found[0].text.find("u32 at ingress, preference 7, "), std::string::npos) << found[0].text;
    EXPECT_EQ(found[0].fix, "tc filter show dev ext0 ingress");
    EXPECT_NE(found[1].text.find("before 6.6"), std::string::npos) << found[1].text;
    EXPECT_EQ(found[1].fix, "tc filter show dev ext0 egress");
}

TEST(TcFilter, OursByName) {
    EXPECT_TRUE((TcFilter{.kind = "bpf", .name = "tc_ingress_afte:[12]"}.is_ours()));
    EXPECT_TRUE((TcFilter{.kind = "bpf", .name = "tc_egress:[13]", .ingress = false}.is_ours()));
    EXPECT_FALSE((TcFilter{.kind = "bpf", .name = "cil_from_netdev-eth0"}.is_ours()));
    EXPECT_FALSE((TcFilter{.kind = "flower", .name = "tc_ingress"}.is_ours()));
}

}  // namespace
}  // namespace shunt
