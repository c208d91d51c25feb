// SPDX-License-Identifier: Apache-2.0
// Who takes part in the tests, under one name everywhere: the documentation ranges of RFC 5737, 3849 and 2544.
//
//     client -- router --+-- uplink ---- node_a: a1 a2          (198.18.0.0/24, MTU 1500)
//                        +-- uplink ---- node_b: b1 b2
//                                   storage link: node_a, node_c: c1  (198.18.1.0/24)
#pragma once

#include "test/packet/address.h"

namespace shunt::packet {

// Somebody with an address of each family, and a MAC address where one is needed.
struct Actor {
    Address ipv4;
    Address ipv6;
    Mac mac = "00:00:00:00:00:00";

    const Address& address(int version) const { return version == 4 ? ipv4 : ipv6; }
};

namespace actors {

inline const Actor client{"198.51.100.7", "2001:db8:51::7"};
inline const Actor other_client{"198.51.100.8", "2001:db8:51::8"};

inline const Actor router{"198.18.0.1", "2001:db8:18::1", "02:18:00:00:00:01"};

// Nodes on the uplink network, and again on the storage link, where some of them have a second foot.
inline const Actor node_a{"198.18.0.21", "2001:db8:18::21", "02:18:00:00:00:21"};
inline const Actor node_b{"198.18.0.22", "2001:db8:18::22", "02:18:00:00:00:22"};
inline const Actor node_a_storage{"198.18.1.21", "2001:db8:18:1::21", "02:18:01:00:00:21"};
inline const Actor node_c_storage{"198.18.1.23", "2001:db8:18:1::23", "02:18:01:00:00:23"};
inline const Actor silent_node{"198.18.0.29", "2001:db8:18::29"};  // nobody knows its MAC address

inline const Actor a1{"198.19.1.11", "2001:db8:19:1::11"};
inline const Actor a2{"198.19.1.12", "2001:db8:19:1::12"};
inline const Actor b1{"198.19.2.11", "2001:db8:19:2::11"};
inline const Actor b2{"198.19.2.12", "2001:db8:19:2::12"};
inline const Actor c1{"198.19.3.11", "2001:db8:19:3::11"};
inline const Actor silent_pod{"198.19.9.11", "2001:db8:19:9::11"};  // behind silent_node

inline const Actor vip{"203.0.113.2", "2001:db8:203::2"};
inline const Actor other_vip{"203.0.113.3", "2001:db8:203::3"};
inline const Actor stranger{"203.0.113.99", "2001:db8:203::99"};  // nobody's frontend

}  // namespace actors

}  // namespace shunt::packet
