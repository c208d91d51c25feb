// SPDX-License-Identifier: Apache-2.0
// agent/network against the kernel. Each test lives in a namespace of its own and reaches a second one by a veth pair:
// `eth0` here, `peer-eth0` there. Needs root.
#include <gtest/gtest.h>
#include <linux/neighbour.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "agent/network/devices.h"
#include "agent/network/neighbours.h"
#include "agent/network/route_monitor.h"
#include "agent/network/reserved_ports.h"

namespace shunt {

void PrintTo(const NetworkChange& change, std::ostream* out) {
    *out << (change.routes_moved ? "routes_moved " : "") << (change.devices_changed ? "devices_changed " : "")
         << (change.addresses_changed ? "addresses_changed " : "")
         << (change.neighbours_lost ? "neighbours_lost " : "") << (change.overrun ? "overrun" : "");
}

namespace {

using namespace std::chrono_literals;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

void run(const std::string& command) {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

std::string output(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    std::string text;
    for (int c = 0; pipe != nullptr && (c = std::fgetc(pipe)) != EOF;) {
        text += static_cast<char>(c);
    }
    return pipe != nullptr && ::pclose(pipe) == 0 ? text : "";
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

bool eventually(std::chrono::milliseconds limit, const std::function<bool()>& is_so) {
    for (const auto end = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < end;) {
        if (is_so()) {
            return true;
        }
        std::this_thread::sleep_for(100ms);
    }
    return is_so();
}

class Kernel : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) {
            GTEST_SKIP() << "needs root";
        }
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
        int ready[2];
        ASSERT_EQ(::pipe(ready), 0);
        peer_ = ::fork();
        ASSERT_GE(peer_, 0);
        if (peer_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            const char code = ::unshare(CLONE_NEWNET) == 0 ? 'y' : 'n';
            if (::write(ready[1], &code, 1) == 1) {
                ::pause();
            }
            ::_exit(1);
        }
        char code = 'n';
        ASSERT_EQ(::read(ready[0], &code, 1), 1);
        ::close(ready[0]);
        ::close(ready[1]);
        ASSERT_EQ(code, 'y');
        run("ip link set lo up");
        // Duplicate address detection would announce changes seconds later.
        write_file("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
        on_peer("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
        add_device("eth0");
        for (const char* family : {"ipv4", "ipv6"}) {
            const std::string settings = std::string("/proc/sys/net/") + family + "/neigh/eth0/";
            write_file(settings + "base_reachable_time_ms", "500");
            write_file(settings + "delay_first_probe_time", "1");
            write_file(settings + "retrans_time_ms", "200");
        }
        run("ip addr add 198.18.0.21/24 dev eth0 && ip addr add 2001:db8::21/64 dev eth0 nodad");
        on_peer(
            "ip link set peer-eth0 address 02:00:00:00:00:aa; ip addr add 198.18.0.22/24 dev peer-eth0; "
            "ip addr add 198.18.0.1/24 dev peer-eth0; ip addr add 2001:db8::22/64 dev peer-eth0 nodad");
        ASSERT_TRUE(
            eventually(3s, [] { return output("ip link show dev eth0").find("LOWER_UP") != std::string::npos; }));
    }

    void TearDown() override {
        if (peer_ > 0) {
            ::kill(peer_, SIGKILL);
            ::waitpid(peer_, nullptr, 0);
        }
    }

    void on_peer(const std::string& command) {
        run("nsenter -t " + std::to_string(peer_) + " -n sh -c '" + command + "'");
    }

    // A veth that leads out of this namespace, up at both ends.
    void add_device(const std::string& name) {
        run("ip link add " + name + " type veth peer name peer-" + name + " netns " + std::to_string(peer_));
        on_peer("ip link set peer-" + name + " up");
        run("ip link set " + name + " up");
    }

    static std::vector<ExternalDevice> discovered(const DeviceSelection& selection) {
        auto devices = discover(selection);
        EXPECT_TRUE(devices) << devices.error().message();
        return devices ? *devices : std::vector<ExternalDevice>{};
    }
    std::set<unsigned> external() const {
        std::set<unsigned> ifindexes;
        for (const ExternalDevice& device : discovered(node_)) {
            ifindexes.insert(device.ifindex);
        }
        return ifindexes;
    }
    static std::vector<std::string> names(const std::vector<ExternalDevice>& devices) {
        std::vector<std::string> names;
        for (const ExternalDevice& device : devices) {
            names.push_back(device.name);
        }
        return names;
    }

    const DeviceSelection node_{.node_addresses = {ip("198.18.0.21")}, .names = {}};

private:
    pid_t peer_ = -1;
};

using Names = std::vector<std::string>;

TEST_F(Kernel, DiscoversExternalDevicesOnly) {
    add_device("pod0");
    run("ip addr add 198.19.3.1/24 dev pod0");
    add_device("eni1");
    run("ip link set eni1 mtu 9001 && "
        "ip route add default via 198.18.4.1 dev eni1 onlink table 1002");
    run("ip link add loop0 type veth peer name loop1 && ip link set loop0 up && "
        "ip route add default dev loop0 table 1003");
    run("ip link add vx0 type vxlan id 7 dstport 4789 local 198.18.0.21 && ip link set vx0 up");

    const auto devices = discovered(node_);
    ASSERT_EQ(names(devices), (Names{"eth0", "eni1", "vx0"}));
    EXPECT_EQ(devices[0].kind, "veth");
    EXPECT_EQ(devices[0].driver, "veth");
    EXPECT_EQ(devices[0].mtu, 1500U);
    EXPECT_TRUE(devices[0].up && devices[0].has_link_layer && !devices[0].is_tunnel);
    EXPECT_EQ(devices[0].ipv4, ip("198.18.0.21"));
    EXPECT_EQ(devices[0].ipv6, ip("2001:db8::21"));
    EXPECT_NE(devices[0].xdp_native, std::optional(false)) << "a veth runs XDP programs";
    EXPECT_EQ(devices[1].mtu, 9001U);
    EXPECT_EQ(devices[1].ipv4, std::nullopt);
    EXPECT_FALSE(devices[1].xdp_transmit && devices[1].xdp_native == false);
    EXPECT_TRUE(devices[2].is_tunnel && !devices[2].xdp_transmit);

    run("ip -6 route add default dev pod0 table 1004");
    EXPECT_EQ(names(discovered(node_)), (Names{"eth0", "pod0", "eni1", "vx0"})) << "an IPv6 default route counts";
    EXPECT_EQ(names(discovered({.node_addresses = {}, .names = {"pod0", "absent"}})), Names{"pod0"});
}

class Monitored : public Kernel {
protected:
    // What arrives within a moment after `command`.
    NetworkChange after(const std::string& command) {
        if (!command.empty()) {
            run(command);
        }
        NetworkChange change;
        pollfd readable{.fd = monitor->fd(), .events = POLLIN};
        while (::poll(&readable, 1, 200) > 0) {
            const auto part = monitor->on_readable();
            EXPECT_TRUE(part) << part.error().message();
            change |= part.value_or(NetworkChange{});
        }
        return change;
    }

    void open() {
        std::this_thread::sleep_for(500ms);  // until the new links have calmed down
        auto opened = RouteMonitor::open();
        ASSERT_TRUE(opened) << opened.error().message();
        monitor.emplace(*std::move(opened));
        watch();
        after("");
    }

    void watch() { monitor->watch({.external = external(), .node_addresses = node_.node_addresses, .names = {}}); }

    std::optional<RouteMonitor> monitor;
};

TEST_F(Monitored, TellsWhatMattersFromWhatDoesNot) {
    add_device("pod0");
    open();
    EXPECT_FALSE(after("ip route add 198.19.3.4/32 dev pod0").any()) << "a pod's route";
    EXPECT_FALSE(after("ip rule add from 198.19.3.4 lookup main").any()) << "a pod's rule";
    EXPECT_FALSE(after("ip route replace 198.19.3.4/32 dev pod0").any());
    EXPECT_FALSE(after("ip rule del from 198.19.3.4 lookup main; ip route del 198.19.3.4/32 dev pod0").any());
    EXPECT_FALSE(after("ip link add veth7 type veth peer name veth8; ip link set veth7 up; ip link del veth7").any());
    EXPECT_FALSE(after("ip neigh add 198.18.0.7 lladdr 02:00:00:00:00:07 dev eth0 nud stale").any());
    EXPECT_FALSE(after("ip neigh replace 198.18.0.7 lladdr 02:00:00:00:00:07 dev eth0 nud permanent").any());

    const NetworkChange routes{.routes_moved = true};
    const NetworkChange both{.routes_moved = true, .devices_changed = true};
    EXPECT_EQ(after("ip neigh replace 198.18.0.7 lladdr 02:00:00:00:00:08 dev eth0 nud permanent"), routes);
    EXPECT_EQ(after("ip route add 198.18.7.0/24 via 198.18.0.1"), routes);
    EXPECT_EQ(after("ip route add 198.18.8.0/24 nexthop dev pod0 nexthop via 198.18.0.1 dev eth0"), routes);
    EXPECT_EQ(after("ip route replace 198.18.7.0/24 dev pod0"), routes) << "it led by eth0 before";
    EXPECT_EQ(after("ip rule add from 198.18.0.0/24 lookup main"), routes);
    EXPECT_EQ(after("ip nexthop add id 5 via 198.18.0.1 dev eth0"), routes);
    EXPECT_EQ(after("ip -6 route add 2001:db8:7::/64 via 2001:db8::1"), routes);
    EXPECT_EQ(after("ip link set eth0 mtu 1400"), both);
    EXPECT_EQ(after("ip addr add 198.18.0.31/24 dev eth0"),
              (NetworkChange{.routes_moved = true, .devices_changed = true, .addresses_changed = true}));
    EXPECT_TRUE(after("ip addr add 198.18.0.32/32 dev lo").addresses_changed);
    const auto addresses = device_addresses();
    ASSERT_TRUE(addresses) << addresses.error().message();
    EXPECT_TRUE(addresses->contains(ip("198.18.0.31")) && addresses->contains(ip("198.18.0.32")));
    EXPECT_FALSE(addresses->contains(ip("127.0.0.1")));
    EXPECT_EQ(after("ip route add default via 198.18.0.1 table 1002"), both);
    EXPECT_TRUE(
        after("ip link add vx0 type vxlan id 7 dstport 4789 local 198.18.0.21; ip link set vx0 up").devices_changed);
}

TEST_F(Monitored, RecoversFromLostEvents) {
    open();
    run("for i in $(seq 100); do for j in $(seq 250); do echo route add 198.19.$i.$j/32 dev lo; done; done > "
        "/tmp/shunt-net-$PPID.batch; ip -batch /tmp/shunt-net-$PPID.batch; status=$?; rm /tmp/shunt-net-$PPID.batch; "
        "exit $status");
    const auto change = monitor->on_readable();
    ASSERT_TRUE(change) << change.error().message();
    EXPECT_TRUE(change->overrun && change->routes_moved && change->devices_changed && change->addresses_changed);
    EXPECT_EQ(after("ip route add 198.18.7.0/24 via 198.18.0.1"), NetworkChange{.routes_moved = true});
    EXPECT_FALSE(after("ip rule add from 198.19.3.4 lookup main").any()) << "what was lost is known again";
}

class Neighbours : public Monitored {
protected:
    static std::string shown(const char* address) {
        return output(std::string("ip -d neigh show dev eth0 to ") + address);
    }
    static bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

    NeighbourReport reconcile(const std::vector<IpAddress>& targets) {
        const auto report = neighbours.reconcile(external(), targets);
        EXPECT_TRUE(report) << report.error().message();
        return report.value_or(NeighbourReport{});
    }

    ManagedNeighbours neighbours;
};

TEST_F(Neighbours, AreManagedAsLongAsTheyAreWanted) {
    add_device("pod0");
    run("ip addr add 198.19.3.1/24 dev pod0");
    run("ip route add default via 198.18.0.1 table 1002");
    run("ip route add 198.18.7.0/24 via inet6 2001:db8::22 dev eth0");
    run("ip neigh add 198.18.0.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent");
    run("ip neigh add 198.18.0.8 dev eth0 managed");
    run("ip link add vx0 type vxlan id 7 dstport 4789 local 198.18.0.21 && ip link set vx0 arp off up && "
        "ip route add 198.18.9.0/24 dev vx0");
    // A node on the link, behind the gateway, a local pod, itself, nowhere, in a tunnel; and two that belong to others.
    const std::vector<IpAddress> targets = {ip("198.18.0.22"),  ip("198.18.7.9"), ip("198.19.3.4"), ip("198.18.0.21"),
                                            ip("198.18.200.1"), ip("198.18.9.9"), ip("198.18.0.9"), ip("198.18.0.8")};
    NeighbourReport report = reconcile(targets);
    EXPECT_EQ(report.wanted, 5U);
    EXPECT_EQ(report.managed, 3U);
    EXPECT_EQ(report.refused, 0U);
    for (const char* address : {"198.18.0.22", "198.18.0.1", "2001:db8::22"}) {
        EXPECT_TRUE(eventually(12s, [&] { return has(shown(address), "02:00:00:00:00:aa"); })) << shown(address);
        EXPECT_TRUE(has(shown(address), "managed")) << shown(address);
    }
    EXPECT_TRUE(has(shown("198.18.0.9"), "PERMANENT") && !has(shown("198.18.0.9"), "managed")) << shown("198.18.0.9");

    ManagedNeighbours restarted;
    const auto again = restarted.reconcile(external(), targets);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->managed + again->released, 0U);

    report = reconcile({});
    EXPECT_EQ(report.released, 1U);
    EXPECT_FALSE(has(shown("198.18.0.22"), "managed")) << shown("198.18.0.22");
    EXPECT_TRUE(has(shown("198.18.0.22"), "02:00:00:00:00:aa")) << "released, not deleted: " << shown("198.18.0.22");
    EXPECT_TRUE(has(shown("198.18.0.1"), "managed")) << "a gateway";

    ASSERT_TRUE(neighbours.release_all());
    EXPECT_FALSE(has(shown("198.18.0.1"), "managed"));
    EXPECT_TRUE(has(shown("198.18.0.8"), "managed")) << "somebody else's";
}

TEST_F(Neighbours, AreResolvedAgainAfterTheirMacChanged) {
    open();
    reconcile({ip("198.18.0.22"), ip("2001:db8::22")});
    for (const char* address : {"198.18.0.22", "2001:db8::22"}) {
        ASSERT_TRUE(eventually(12s, [&] { return has(shown(address), "02:00:00:00:00:aa"); })) << shown(address);
    }
    // Several rounds of probing, all of the same MAC.
    const auto quiet_until = std::chrono::steady_clock::now() + 6s;
    while (std::chrono::steady_clock::now() < quiet_until) {
        EXPECT_FALSE(after("").any()) << "a neighbour's state is no change";
        std::this_thread::sleep_for(200ms);
    }
    on_peer("ip link set peer-eth0 address 02:00:00:00:00:bb");
    NetworkChange change;
    EXPECT_TRUE(eventually(20s,
                           [&] {
                               change |= after("");
                               return has(shown("198.18.0.22"), "02:00:00:00:00:bb") &&
                                      has(shown("2001:db8::22"), "02:00:00:00:00:bb");
                           }))
        << shown("198.18.0.22") << shown("2001:db8::22");
    change |= after("");
    EXPECT_EQ(change, NetworkChange{.routes_moved = true});
    EXPECT_TRUE(has(shown("198.18.0.22"), "managed"));

    EXPECT_EQ(after("ip neigh del 198.18.0.22 dev eth0"), NetworkChange{.neighbours_lost = true});
    EXPECT_EQ(reconcile({ip("198.18.0.22"), ip("2001:db8::22")}).managed, 1U);
}

TEST_F(Kernel, ReservesPortsOnceAndKeepsWhatIsThere) {
    const std::string range = "/proc/sys/net/ipv4/ip_local_port_range";
    const std::string reserved = "/proc/sys/net/ipv4/ip_local_reserved_ports";
    write_file(range, "32768 60999");
    EXPECT_EQ(reserve_ports(10240, 26623), false);
    write_file(range, "20000 60999");
    write_file(reserved, "8080,26624-26700,40000");
    EXPECT_EQ(reserve_ports(10240, 26623), true);
    EXPECT_EQ(output("cat " + reserved), "8080,10240-26700,40000\n");
    EXPECT_EQ(reserve_ports(10240, 26623), false);
}

}  // namespace
}  // namespace shunt
