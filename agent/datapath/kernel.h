// SPDX-License-Identifier: Apache-2.0
// What loading programs needs to know of the kernel, and of libbpf.
#pragma once

#include <cstdint>

namespace shunt {

// For the constant of that name in bpf/route/next_hop.h: the flag, or 0 where the kernel does not have it.
std::uint32_t fib_lookup_source_flag();

// True if programs may ask conntrack (bpf/decide/netfilter.h): the kernel has the functions, and libbpf can find them.
// Where conntrack is a module, that takes CAP_SYS_ADMIN.
bool conntrack_answers_programs();

// What libbpf says, the verifier's words among it, goes to the log at level debug.
void send_libbpf_to_log();

}  // namespace shunt
