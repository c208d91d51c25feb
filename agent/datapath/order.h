// SPDX-License-Identifier: Apache-2.0
// What bpf/flow/order.h needs to know of the machine.
#pragma once

#include <cstdint>

namespace shunt {

#if defined(__x86_64__)
inline constexpr std::uint32_t kStronglyOrdered = 1;
#else
inline constexpr std::uint32_t kStronglyOrdered = 0;
#endif

}  // namespace shunt
