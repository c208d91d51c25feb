// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// forward.bpf.c for kernels that tell programs what conntrack knows: what netfilter translates already stays its own.
#define ASKS_CONNTRACK 1
#include "bpf/forward.bpf.c"
