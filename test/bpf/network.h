// SPDX-License-Identifier: Apache-2.0
// node_a as the kernel sees it: a network namespace of the test process's own, with two devices, routes to the pods
// of the other nodes, and neighbours that never change. Gone when the process ends.
#pragma once

#include <string>

#include "test/packet/actors.h"

namespace shunt::test {

struct Device {
    std::string name;
    unsigned ifindex = 0;
    unsigned mtu = 0;
    packet::Actor owner;  // node_a's addresses on it
};

struct Network {
    Device uplink;                     // to the router and node_b
    Device storage;                    // to node_c; its MTU is smaller
    Device uplink_peer, storage_peer;  // the far ends of the two veth pairs

    // Enters the namespace with the first call. Aborts where it cannot: no test could run.
    static const Network& enter();
};

// Backends behind routes of their own, one for each answer that the FIB gives.
namespace places {

inline const packet::Actor blackhole{"198.19.10.11", "2001:db8:19:10::11"};
inline const packet::Actor unreachable{"198.19.11.11", "2001:db8:19:11::11"};
inline const packet::Actor prohibited{"198.19.12.11", "2001:db8:19:12::11"};
inline const packet::Actor encapsulated{"198.19.13.11", "2001:db8:19:13::11"};    // a lightweight tunnel
inline const packet::Actor with_source{"198.19.14.11", "2001:db8:19:14::11"};     // a route with a preferred source
inline const packet::Actor preferred_source{"198.18.0.121", "2001:db8:18::121"};  // node_a's too, on the uplink

}  // namespace places

// Whether this kernel's bpf_fib_lookup can tell the preferred source (6.7).
bool kernel_tells_route_source();

// "198.18.0.22 dev uplink lladdr …": replaces node_b's MAC address on the uplink.
void set_node_b_mac(const packet::Mac& mac);

// Silent again.
void forget_silent_node();

// A device that is there as long as this object.
struct PassingDevice {
    PassingDevice();
    ~PassingDevice();
    PassingDevice(const PassingDevice&) = delete;
    PassingDevice& operator=(const PassingDevice&) = delete;

    Device device;
};

// Turns IP forwarding on or off, for both families.
void set_forwarding(bool on);

}  // namespace shunt::test
