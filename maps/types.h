// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What every map header needs: fixed-width types and the words for families and protocols.
//
// These headers are the contract of kernel and user space: plain C, compiled by clang for BPF and by
// the C++ compiler alike. Wire order is __be16/__be32, host order __u16/__u32. Id 0 is invalid.
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
#include <type_traits>
#define SHUNT_ASSERT_KEY(type) \
    static_assert(std::has_unique_object_representations_v<type>, #type " has padding or is not a plain key")
#else
#define SHUNT_ASSERT_KEY(type) _Static_assert(1, "")
#endif
#define SHUNT_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " changed its size: raise SHUNT_ABI")
#ifdef __cplusplus
#define _Static_assert static_assert
#endif

// Of what both sides compute alike. The BPF compiler returns structs only from inlined functions.
#define SHUNT_INLINE static inline __attribute__((always_inline))

// Bytes of an address in the slow-path maps: IPv4 stands in the first four, the rest are 0.
#define ADDRESS_SIZE 16

enum address_family {
    IPV4 = 4,
    IPV6 = 6,
};

// IANA protocol numbers.
enum l4_protocol {
    ANY_PROTOCOL = 0,
    TCP = 6,
    UDP = 17,
};
