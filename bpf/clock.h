// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The time as flows count it (maps/control.h), and whether the agent is alive.
#pragma once

#include "bpf/maps.h"

static __always_inline __u32 tick_now(void)
{
    return bpf_ktime_get_coarse_ns() >> TICK_SHIFT;
}

static __always_inline const struct control *control_get(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline int agent_is_silent(const struct control *control, __u32 now)
{
    // Signed: the agent's clock is finer than the coarse one here and may be a tick ahead.
    return (__s32)(now - control->heartbeat) > HEARTBEAT_STALE_TICKS;
}
