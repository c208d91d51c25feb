// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/network.h"

#include <net/if.h>
#include <sched.h>
#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>

namespace shunt::test {

namespace {

constexpr const char* LINKS = R"(
link set lo up
link add uplink address 02:18:00:00:00:21 type veth peer name uplink-peer
link add storage address 02:18:01:00:00:21 type veth peer name storage-peer
link set uplink-peer addrgenmode none
link set storage-peer addrgenmode none
link set uplink addrgenmode none
link set storage addrgenmode none
link set storage mtu 1400
link set uplink up
link set uplink-peer up
link set storage up
link set storage-peer up
)";

constexpr const char* ADDRESSES = R"(
addr add 198.18.0.21/24 dev uplink
addr add 198.18.0.121/32 dev uplink
addr add 2001:db8:18::21/64 dev uplink nodad
addr add 2001:db8:18::121/128 dev uplink nodad preferred_lft 0
addr add 198.18.1.21/24 dev storage
addr add 2001:db8:18:1::21/64 dev storage nodad
neigh add 198.18.0.1 lladdr 02:18:00:00:00:01 dev uplink nud permanent
neigh add 2001:db8:18::1 lladdr 02:18:00:00:00:01 dev uplink nud permanent
neigh add 198.18.0.22 lladdr 02:18:00:00:00:22 dev uplink nud permanent
neigh add 2001:db8:18::22 lladdr 02:18:00:00:00:22 dev uplink nud permanent
neigh add 198.18.1.23 lladdr 02:18:01:00:00:23 dev storage nud permanent
neigh add 2001:db8:18:1::23 lladdr 02:18:01:00:00:23 dev storage nud permanent
)";

constexpr const char* ROUTES = R"(
route add default via 198.18.0.1
route add default via 2001:db8:18::1
route add 198.19.2.0/24 via 198.18.0.22
route add 2001:db8:19:2::/64 via 2001:db8:18::22
route add 198.19.3.0/24 via 198.18.1.23
route add 2001:db8:19:3::/64 via 2001:db8:18:1::23
route add 198.19.9.0/24 via 198.18.0.29
route add 2001:db8:19:9::/64 via 2001:db8:18::29
route add blackhole 198.19.10.0/24
route add blackhole 2001:db8:19:10::/64
route add unreachable 198.19.11.0/24
route add unreachable 2001:db8:19:11::/64
route add prohibit 198.19.12.0/24
route add prohibit 2001:db8:19:12::/64
route add 198.19.14.0/24 via 198.18.0.22 src 198.18.0.121
route add 2001:db8:19:14::/64 via 2001:db8:18::22 src 2001:db8:18::121
)";

// Not every kernel has them.
constexpr const char* TUNNEL_ROUTES = R"(
route add 198.19.13.0/24 encap seg6 mode encap segs 2001:db8:18::22 dev uplink
route add 2001:db8:19:13::/64 encap seg6 mode encap segs 2001:db8:18::22 dev uplink
)";

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::abort();
}

bool ip_batch(const char* commands, bool quiet = false) {
    FILE* ip = popen(quiet ? "ip -force -batch - 2>/dev/null" : "ip -batch -", "w");
    if (!ip) {
        return false;
    }
    std::fputs(commands, ip);
    return pclose(ip) == 0;
}

void write_sysctl(const char* name, const char* value) {
    const std::string path = std::string("/proc/sys/net/") + name;
    FILE* file = std::fopen(path.c_str(), "w");
    if (!file) {
        give_up(path.c_str());
    }
    std::fputs(value, file);
    std::fclose(file);
}

Device device(const char* name, unsigned mtu, const packet::Actor& owner) {
    return {.name = name, .ifindex = if_nametoindex(name), .mtu = mtu, .owner = owner};
}

Network make() {
    if (unshare(CLONE_NEWNET)) {
        give_up("unshare");
    }
    if (!ip_batch(LINKS)) {
        give_up("links");
    }
    write_sysctl("ipv6/conf/uplink-peer/disable_ipv6", "1");
    write_sysctl("ipv6/conf/storage-peer/disable_ipv6", "1");
    set_forwarding(true);
    if (!ip_batch(ADDRESSES) || !ip_batch(ROUTES)) {
        give_up("addresses and routes");
    }
    ip_batch(TUNNEL_ROUTES, true);
    return {
        .uplink = device("uplink", 1500, packet::actors::node_a),
        .storage = device("storage", 1400, packet::actors::node_a_storage),
        .uplink_peer = device("uplink-peer", 1500, {}),
        .storage_peer = device("storage-peer", 1500, {}),
    };
}

}  // namespace

const Network& Network::enter() {
    static const Network network = make();
    return network;
}

bool kernel_tells_route_source() {
    utsname name{};
    int major = 0, minor = 0;
    uname(&name);
    return std::sscanf(name.release, "%d.%d", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 7));
}

void set_node_b_mac(const packet::Mac& mac) {
    const std::string text = mac.to_string();
    const std::string commands = "neigh replace 198.18.0.22 lladdr " + text + " dev uplink nud permanent\n" +
                                 "neigh replace 2001:db8:18::22 lladdr " + text + " dev uplink nud permanent\n";
    if (!ip_batch(commands.c_str())) {
        give_up("neighbour");
    }
}

void forget_silent_node() {
    ip_batch("neigh flush to 198.18.0.29\nneigh flush to 2001:db8:18::29\n", true);
}

PassingDevice::PassingDevice() {
    if (!ip_batch("link add passing type veth peer name passing-peer\n"
                  "link set passing up\n"
                  "link set passing-peer up\n")) {
        give_up("passing device");
    }
    device = test::device("passing", 1500, {});
}

PassingDevice::~PassingDevice() {
    ip_batch("link del passing\n");
}

void set_forwarding(bool on) {
    write_sysctl("ipv4/ip_forward", on ? "1" : "0");
    write_sysctl("ipv6/conf/all/forwarding", on ? "1" : "0");
}

}  // namespace shunt::test
