// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The four bytes of metadata before a packet that XDP handed to tc.
#pragma once

#define XDP_TO_TC_MARK 0x73686e74u  // "shnt"
