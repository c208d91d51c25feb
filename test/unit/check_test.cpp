// SPDX-License-Identifier: Apache-2.0
// Each subject of `shunt check` over a made-up /proc and /sys: what is well says so, what is not names its fix.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/check/check.h"

namespace shunt {
namespace {

class CheckTest : public testing::Test {
protected:
    CheckTest() : root_(std::filesystem::temp_directory_path() / ("shunt-check-" + std::to_string(getpid()))) {
        std::filesystem::create_directories(root_);
    }
    ~CheckTest() override { std::filesystem::remove_all(root_); }

    void put(const std::string& path, const std::string& text) {
        const std::filesystem::path file = root_.string() + path;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text << '\n';
    }

    Machine machine() const { return Machine(root_); }

    std::filesystem::path root_;
};

// The only finding that is not well; fails if there are more or none.
Finding only(const Findings& findings) {
    Findings bad;
    for (const Finding& finding : findings) {
        if (finding.level != Level::ok) {
            bad.push_back(finding);
        }
    }
    EXPECT_EQ(bad.size(), 1U);
    return bad.empty() ? Finding{} : bad.front();
}

void expect_ok(const Findings& findings) {
    EXPECT_FALSE(findings.empty());
    for (const Finding& finding : findings) {
        EXPECT_EQ(finding.level, Level::ok) << finding.subject << ": " << finding.text;
        EXPECT_EQ(finding.fix, "");
    }
}

ExternalDevice device(const std::string& name) {
    ExternalDevice device;
    device.name = name;
    device.up = true;
    device.has_link_layer = true;
    device.mtu = 1500;
    return device;
}

TEST_F(CheckTest, Kernel) {
    put("/proc/sys/kernel/osrelease", "6.1.0-18-amd64");
    put("/sys/kernel/btf/vmlinux", "");
    put("/proc/sys/net/core/bpf_jit_enable", "1");
    expect_ok(check_kernel(machine()));

    put("/proc/sys/net/core/bpf_jit_enable", "0");
    EXPECT_EQ(only(check_kernel(machine())).fix, "sysctl -w net.core.bpf_jit_enable=1");

    put("/proc/sys/net/core/bpf_jit_enable", "1");
    put("/proc/sys/kernel/osrelease", "5.15.0");
    EXPECT_EQ(only(check_kernel(machine())).level, Level::failure);

    put("/proc/sys/kernel/osrelease", "6.12.1");
    std::filesystem::remove(root_.string() + "/sys/kernel/btf/vmlinux");
    EXPECT_NE(only(check_kernel(machine())).fix.find("CONFIG_DEBUG_INFO_BTF"), std::string::npos);
}

TEST_F(CheckTest, Privileges) {
    put("/proc/self/status", "Name:\tshunt\nCapEff:\t000000c000001000");
    expect_ok(check_privileges(machine()));
    put("/proc/self/status", "CapEff:\t0000000000201000");  // CAP_SYS_ADMIN stands for the newer two
    expect_ok(check_privileges(machine()));
    put("/proc/self/status", "CapEff:\t0000008000000000");
    const Finding finding = only(check_privileges(machine()));
    EXPECT_EQ(finding.level, Level::failure);
    EXPECT_EQ(finding.text, "CAP_NET_ADMIN, CAP_PERFMON missing");
}

TEST_F(CheckTest, Bpffs) {
    const std::string before = "sysfs /sys sysfs rw 0 0\nproc /proc proc rw 0 0\n";
    put("/proc/self/mounts", before + "bpf /sys/fs/bpf bpf rw,nosuid 0 0");
    expect_ok(check_bpffs(machine(), "/sys/fs/bpf/shunt"));
    put("/proc/self/mounts", before + "bpf /sys/fs/bpf bpf ro,nosuid 0 0");
    EXPECT_EQ(only(check_bpffs(machine(), "/sys/fs/bpf/shunt")).fix, "mount -o remount,rw /sys/fs/bpf");
    put("/proc/self/mounts", before + "bpf /sys/fs/bpf-other bpf rw 0 0");
    EXPECT_EQ(only(check_bpffs(machine(), "/sys/fs/bpf/shunt")).level, Level::failure);
}

TEST_F(CheckTest, Memory) {
    expect_ok(check_memory({.bytes = 1ULL << 30, .from = "machine"}, 131072));
    EXPECT_EQ(only(check_memory({.bytes = 200ULL << 20, .from = "cgroup"}, 131072)).level, Level::warning);
    EXPECT_EQ(only(check_memory({.bytes = 64ULL << 20, .from = "cgroup"}, 131072)).level, Level::failure);
}

TEST_F(CheckTest, Forwarding) {
    put("/proc/sys/net/ipv4/ip_forward", "1");
    put("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
    put("/proc/sys/net/ipv4/conf/eth0/rp_filter", "2");
    put("/proc/sys/net/ipv4/conf/eth1/rp_filter", "1");
    expect_ok(check_forwarding(machine(), {device("eth0")}));

    const Finding strict = only(check_forwarding(machine(), {device("eth0"), device("eth1")}));
    EXPECT_EQ(strict.subject, "eth1");
    EXPECT_EQ(strict.fix, "sysctl -w net.ipv4.conf.eth1.rp_filter=2");

    put("/proc/sys/net/ipv4/conf/all/rp_filter", "2");  // the greater one counts
    expect_ok(check_forwarding(machine(), {device("eth1")}));

    ExternalDevice dual = device("eth0");
    dual.ipv6 = IpAddress::parse("2001:db8::1");
    EXPECT_EQ(only(check_forwarding(machine(), {dual})).fix, "sysctl -w net.ipv6.conf.all.forwarding=1");

    put("/proc/sys/net/ipv4/ip_forward", "0");
    EXPECT_EQ(only(check_forwarding(machine(), {})).level, Level::failure);
}

TEST_F(CheckTest, Ports) {
    put("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999");
    put("/proc/sys/net/ipv4/ip_local_reserved_ports", "");
    expect_ok(check_ports(machine(), {10240, 26623}));
    EXPECT_EQ(only(check_ports(machine(), {40960, 45055})).fix, "sysctl -w net.ipv4.ip_local_reserved_ports=40960-45055");
    put("/proc/sys/net/ipv4/ip_local_reserved_ports", "40000-50000");
    expect_ok(check_ports(machine(), {40960, 45055}));
    put("/proc/sys/net/ipv4/ip_local_port_range", "1024\t65535");
    EXPECT_EQ(check_ports(machine(), {10240, 26623}).size(), 2U);  // the NodePorts, too
}

TEST_F(CheckTest, Conntrack) {
    EXPECT_EQ(only(check_conntrack(machine())).level, Level::note);
    put("/proc/sys/net/netfilter/nf_conntrack_max", "262144");
    put("/proc/sys/net/netfilter/nf_conntrack_count", "100");
    put("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", "86400");
    expect_ok(check_conntrack(machine()));
    put("/proc/sys/net/netfilter/nf_conntrack_count", "230000");
    EXPECT_EQ(only(check_conntrack(machine())).fix, "sysctl -w net.netfilter.nf_conntrack_max=524288");
    put("/proc/sys/net/netfilter/nf_conntrack_count", "100");
    put("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", "600");
    EXPECT_EQ(only(check_conntrack(machine())).level, Level::warning);
}

TEST_F(CheckTest, KubeProxy) {
    using Chains = std::vector<NetfilterChain>;
    const NetfilterChain nftables{.table = "kube-proxy", .name = "services"};
    const NetfilterChain iptables{.table = "nat", .name = "KUBE-SERVICES"};
    const std::string title = "  sl  local_address rem_address   st\n";
    put("/proc/net/tcp", title + "   0: 00000000:2810 00000000:0000 0A 0");
    expect_ok(check_netfilter(machine(), Chains{nftables}, Chains{}));
    expect_ok(check_netfilter(machine(), Chains{iptables}, Chains{}));
    expect_ok(check_netfilter(machine(), Chains{}, Chains{iptables}));
    EXPECT_EQ(only(check_netfilter(machine(), Chains{}, Chains{})).level, Level::warning);

    put("/proc/net/tcp", title + "   0: 0100007F:2810 0100007F:9999 01 0");  // established is no listener
    EXPECT_EQ(only(check_netfilter(machine(), Chains{nftables}, Chains{})).fix, "start kube-proxy again: shunt does not serve ClusterIPs");
}

TEST_F(CheckTest, Firewalls) {
    using Chains = std::vector<NetfilterChain>;
    const NetfilterChain kube_proxy{.table = "kube-proxy", .name = "services"};
    put("/proc/net/tcp6", "   0: 00000000000000000000000000000000:2810 0:0 0A 0");
    NetfilterChain forward{.table = "filter", .name = "FORWARD", .filters_forwarded = true};
    expect_ok(check_netfilter(machine(), Chains{kube_proxy, forward}, Chains{}));
    forward.drops_unless_told = true;
    EXPECT_EQ(only(check_netfilter(machine(), Chains{kube_proxy, forward}, Chains{})).level, Level::warning);
    forward.is_legacy = true;
    EXPECT_NE(only(check_netfilter(machine(), Chains{kube_proxy}, Chains{forward})).fix.find("iptables-legacy -P FORWARD ACCEPT"), std::string::npos);
    const Finding calico =
        only(check_netfilter(machine(), Chains{kube_proxy, {.table = "filter", .name = "cali-FORWARD"}, {.table = "raw", .name = "cali-PREROUTING"}},
                             Chains{}));
    EXPECT_EQ(calico.level, Level::note);
    EXPECT_EQ(calico.text.rfind("Calico: ", 0), 0U);
    const auto unreadable = failure("read", "chains", "Operation not permitted");
    EXPECT_EQ(only(check_netfilter(machine(), unreadable, Chains{})).level, Level::note);
    EXPECT_EQ(only(check_netfilter(machine(), Chains{}, unreadable)).level, Level::note);
}

TEST_F(CheckTest, Device) {
    expect_ok(check_device(device("shunt-no-such"), "/nowhere", true));
    ExternalDevice down = device("shunt-no-such");
    down.up = false;
    EXPECT_EQ(only(check_device(down, "/nowhere", true)).fix, "ip link set shunt-no-such up");
    ExternalDevice plain = device("shunt-no-such");
    plain.xdp_native = false;
    EXPECT_EQ(only(check_device(plain, "/nowhere", true)).level, Level::note);
    expect_ok(check_device(plain, "/nowhere", false));
    ExternalDevice bare = device("shunt-no-such");
    bare.has_link_layer = false;
    EXPECT_EQ(only(check_device(bare, "/nowhere", true)).level, Level::warning);
}

}  // namespace
}  // namespace shunt
