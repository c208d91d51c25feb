// SPDX-License-Identifier: Apache-2.0
// A UDP endpoint of a service that the service no longer has, or that serves no more: its flows are to go.
#pragma once

#include <compare>
#include <cstdint>

#include "agent/plan/maglev.h"
#include "agent/plan/service_key.h"

namespace shunt {

struct GoneEndpoint {
    ServiceKey service;
    std::uint32_t service_id = 0;
    BackendIdentity endpoint;
    auto operator<=>(const GoneEndpoint&) const = default;
};

}  // namespace shunt
