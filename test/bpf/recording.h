// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The newest packet that recorder.bpf.c saw. Shared with the tests, which map it.
#pragma once

#include <linux/types.h>

#define RECORDING_SIZE 2048

struct recording {
    __u32 marked;       // packets that mark_everything saw
    __u32 recorded;     // packets that record_ingress and record_egress saw
    __u32 marked_then;  // `marked` when the newest was recorded
    __u32 ifindex;      // where the newest was recorded
    __u32 at_egress;    // there on its way out, else on its way in
    __u32 tagged;       // it had a VLAN tag, which is not in `bytes`
    __u32 length;       // of the packet; `bytes` holds no more than its size
    __u8 bytes[RECORDING_SIZE];
};
