// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where an entry of `flows4` or `flows6` stands: arithmetic on its key that the programs and user space share.
//
// A key's place has 24 bits. The low seven name its stripe (its lock), as many as the table has blocks name its block;
// within the block another hash names two groups of four slots, one of which has it. Both entries of a flow have the
// same stripe, so one lock covers them whatever the table's size; with the SNAT port that is tried first they share
// the block:
//
//   request at ingress        place(source)          the client
//   local reply at egress     place(destination)     the client
//   remote reply at ingress   its SNAT port's low seven bits, above them place(source) + the upper bits of the port
//
// The hash sums products of a seeded address and a seeded port (universal over the seeds, which are random for each
// node and last as long as the map): who does not know them cannot choose keys that collide.
#pragma once

#include "flow.h"

#define FLOW_PLACE_BITS 24
#define FLOW_GROUP_SLOTS 4
#define FLOW_GROUPS (FLOW_BLOCK_SLOTS / FLOW_GROUP_SLOTS)

struct flow_place {
    __u32 place;
    __u32 first, second;  // groups, always two
    __u32 turn;           // which slot of a group is tried first: else only every fourth line would be in use at low load
};

SHUNT_INLINE __u64 flow_mix(const struct flow_control *control, __u64 sum)
{
    return (sum ^ sum >> 32) * control->multiplier;
}

SHUNT_INLINE __u32 flow_place_of_end(const struct flow_control *control, __u64 product)
{
    return (__u32)(flow_mix(control, product) >> (64 - FLOW_PLACE_BITS));
}

// `near` of the end that names the place, `far` of the other.
SHUNT_INLINE struct flow_place flow_place_of(const struct flow_control *control, __u64 near, __u64 far, int by_port,
                                              __u16 port)
{
    __u32 end = flow_place_of_end(control, near);
    __u64 hash = flow_mix(control, near + far);
    struct flow_place place = {
        .place = end,
        .first = (__u32)(hash >> 34) & (FLOW_GROUPS - 1),
        .second = (__u32)(hash >> 28) & (FLOW_GROUPS - 1),
        .turn = (__u32)(hash >> 26) & (FLOW_GROUP_SLOTS - 1),
    };

    if (by_port)
        place.place = (port & (FLOW_STRIPES - 1)) |
                      ((end + port / FLOW_STRIPES) * FLOW_STRIPES & ((1u << FLOW_PLACE_BITS) - 1));
    if (place.first == place.second)
        place.second ^= 1;
    return place;
}

// Products of one end, in network order as it stands in the packet: `seeds` from 0 for the end that names the place, from
// 5 for the other, whose port is joined by the protocol.
SHUNT_INLINE __u64 flow_end4(const __u32 *seeds, __be32 address, __u32 port)
{
    return (__u64)(__u32)(address + seeds[0]) * (__u32)(port + seeds[1]);
}

SHUNT_INLINE __u64 flow_end6(const struct flow_control *control, const __u32 *seeds, const __be32 *address, __u32 port)
{
    return (__u64)(__u32)(address[0] + seeds[0]) * (__u32)(address[1] + seeds[1]) +
           (__u64)(__u32)(address[2] + seeds[2]) * (__u32)(address[3] + seeds[3]) +
           (__u64)(__u32)(port + seeds[4]) * (__u32)(control->multiplier >> 32);
}

SHUNT_INLINE __u16 flow_host_port(__be16 port)
{
    return (__u16)(port << 8 | port >> 8);
}

SHUNT_INLINE struct flow_place flow_place4(const struct flow_control *control, const struct flow4_key *key,
                                            __u8 hook)
{
    const __u32 *seeds = control->seeds;

    if (hook == FLOW_EGRESS)
        return flow_place_of(control, flow_end4(seeds, key->daddr, key->dport),
                             flow_end4(seeds + 5, key->saddr, key->sport | (__u32)key->protocol << 16), 0, 0);
    return flow_place_of(control, flow_end4(seeds, key->saddr, key->sport),
                         flow_end4(seeds + 5, key->daddr, key->dport | (__u32)key->protocol << 16),
                         hook == FLOW_INGRESS_SNAT, flow_host_port(key->dport));
}

SHUNT_INLINE struct flow_place flow_place6(const struct flow_control *control, const struct flow6_key *key,
                                            __u8 hook)
{
    const __u32 *seeds = control->seeds;

    if (hook == FLOW_EGRESS)
        return flow_place_of(control, flow_end6(control, seeds, key->daddr, key->dport),
                             flow_end6(control, seeds + 5, key->saddr, key->sport | (__u32)key->protocol << 16), 0, 0);
    return flow_place_of(control, flow_end6(control, seeds, key->saddr, key->sport),
                         flow_end6(control, seeds + 5, key->daddr, key->dport | (__u32)key->protocol << 16),
                         hook == FLOW_INGRESS_SNAT, flow_host_port(key->dport));
}

SHUNT_INLINE __u32 flow_shape_new(__u64 shape)
{
    return (__u32)shape;
}

SHUNT_INLINE __u32 flow_shape_old(__u64 shape)
{
    return (__u32)(shape >> 32);
}

// The slot that is tried as `step` (0 to 3) in a group.
SHUNT_INLINE __u32 flow_slot(__u32 group, __u32 turn, __u32 step)
{
    return (group * FLOW_GROUP_SLOTS + ((turn + step) & (FLOW_GROUP_SLOTS - 1))) & (FLOW_BLOCK_SLOTS - 1);
}
