// SPDX-License-Identifier: Apache-2.0
// Who takes part: a node, a router towards the clients, a node with remote backends. Addresses of RFC 2544, 5737, 3849.
#pragma once

#include "agent/bench/frame.h"

namespace shunt::bench {

inline constexpr Mac kNodeMac = {0x02, 0x18, 0, 0, 0, 0x21};
inline constexpr Mac kRouterMac = {0x02, 0x18, 0, 0, 0, 0x01};
inline constexpr Mac kOtherNodeMac = {0x02, 0x18, 0, 0, 0, 0x22};

inline constexpr std::uint16_t kFrontendPort = 80;       // has backends
inline constexpr std::uint16_t kEmptyFrontendPort = 81;  // has none
inline constexpr std::uint16_t kBackendPort = 8080;

// Each has some 16,000 SNAT ports: the fullest run (a million flows) uses a quarter of them.
inline constexpr std::uint32_t kRemoteBackends = 256;

struct Scene {
    address_family family;
    IpAddress node, router, other_node;  // on one link
    IpAddress remote_network;            // of kRemoteBackends addresses, behind other_node
    std::uint8_t link_prefix, remote_prefix;
    IpAddress frontend, stranger;  // stranger: nobody's frontend
    IpAddress local_backend;

    IpAddress remote_backend(std::uint32_t index) const;
    // Different for each number below 2^30; neighbouring numbers are far apart in both.
    IpAddress client(std::uint32_t number) const;
    std::uint16_t client_port(std::uint32_t number) const;
};

const Scene& scene(address_family family);

}  // namespace shunt::bench
