// SPDX-License-Identifier: Apache-2.0
// The log, on standard error. Messages carry fmt-style placeholders, checked by the compiler. The log library is known
// to log.cpp alone: its headers would cost every file seconds to compile.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace shunt::log {

enum class Level { debug, info, warn, error };
enum class Format { text, json };  // json: one object a line, with time, level and message

// `level`: debug, info, warn or error. False if it is none of these.
bool configure(const std::string& level, Format format);

void write(Level level, std::string_view message);

template <typename... Arguments>
void debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(Level::debug, fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
void info(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(Level::info, fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
void warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(Level::warn, fmt::format(format, std::forward<Arguments>(arguments)...));
}

template <typename... Arguments>
void error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    write(Level::error, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace shunt::log
