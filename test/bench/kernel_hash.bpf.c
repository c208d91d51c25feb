// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The programs of bpf/forward.bpf.c over kernel hashes: kernel_hash/ stands before the project's own folder.
#include "bpf/forward.bpf.c"
