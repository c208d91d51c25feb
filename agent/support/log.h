// SPDX-License-Identifier: Apache-2.0
// The only header that knows the log library. Messages carry fmt-style placeholders and go to standard error.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace shunt::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

enum class Format { text, json };  // json: one object a line, with time, level and message

// `level`: debug, info, warn or error. False if it is none of these.
bool configure(const std::string& level, Format format);

}  // namespace shunt::log
