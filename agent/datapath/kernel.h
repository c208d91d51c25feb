// SPDX-License-Identifier: Apache-2.0
// What loading programs needs to know of the kernel, and of libbpf.
#pragma once

#include <cstdarg>
#include <cstdint>

namespace shunt {

// For the constant of that name in bpf/route/next_hop.h: the flag, or 0 where the kernel does not have it.
std::uint32_t fib_lookup_source_flag();

// True if programs may ask conntrack (bpf/decide/netfilter.h): the kernel has the functions, and libbpf can find them.
// Where conntrack is a module, that takes CAP_SYS_ADMIN.
bool conntrack_answers_programs();

// Id of the XDP program that stands on the device; 0: none does.
std::uint32_t xdp_program_on(int ifindex);

// A printf of libbpf or libxdp, to the log at level debug. Returns as vsnprintf does.
int log_library_words(const char* format, va_list arguments);

// What libbpf says, the verifier's words among it, goes to the log at level debug.
void send_libbpf_to_log();

}  // namespace shunt
