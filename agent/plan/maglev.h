// SPDX-License-Identifier: Apache-2.0
// Consistent hashing after Maglev (Eisenbud et al., NSDI 2016, section 3.4). The same backends give the same
// table on every node: it depends on nothing but their identities and one compiled-in seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "agent/model/ip_address.h"

namespace shunt {

struct BackendIdentity {
    IpAddress address;
    std::uint16_t port = 0;
    auto operator<=>(const BackendIdentity&) const = default;
};

// Slots for that many backends: a prime, about a hundred for each up to 655 backends; 0 for none.
std::uint32_t maglev_size(std::size_t backends);

// table[slot] = index into `backends`; empty for none. Any order of `backends` names the same backend in each slot.
std::vector<std::uint32_t> maglev_table(std::span<const BackendIdentity> backends);

}  // namespace shunt
