// SPDX-License-Identifier: Apache-2.0
// The only header that knows the log library. Messages carry fmt-style placeholders.
#pragma once

#include <spdlog/spdlog.h>

namespace shunt::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

}  // namespace shunt::log
