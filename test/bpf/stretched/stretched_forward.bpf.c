// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <linux/bpf.h>

#include "test/bpf/stretched/stretch.h"

#include "bpf/forward.bpf.c"
