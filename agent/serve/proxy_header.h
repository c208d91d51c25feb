// SPDX-License-Identifier: Apache-2.0
// The header that a load balancer with proxy protocol v2 puts before a connection's first byte (HAProxy's
// proxy-protocol.txt, section 2.2). A health check of an NLB carries one where its target group does. It is stepped
// over, not believed: nothing here depends on who asks.
#pragma once

#include <cstddef>
#include <string_view>

namespace shunt {

struct ProxyHeader {
    enum class State {
        none,        // these bytes are no such header, nor the beginning of one
        incomplete,  // more bytes will tell
        complete,
        broken,  // the signature, then another version or command, or more than kProxyHeaderMax
    };
    State state = State::none;
    std::size_t size = 0;  // bytes to step over; 0 unless complete
};

// With everything that a sender may append: NLBs add a checksum and the id of a VPC endpoint.
inline constexpr std::size_t kProxyHeaderMax = 4096;

ProxyHeader find_proxy_header(std::string_view beginning);

}  // namespace shunt
