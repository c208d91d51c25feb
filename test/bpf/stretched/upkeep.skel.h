// SPDX-License-Identifier: Apache-2.0
// In the place of the real program's: see CMakeLists.txt.
#pragma once

#include "stretched_upkeep.skel.h"
