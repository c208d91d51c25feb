// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "agent/support/result.h"

namespace shunt {

// Larger files are refused: they are not manifests, and a node's memory is worth more.
inline constexpr std::size_t largest_manifest = 256u << 20;

// The text of a regular file, links followed. Nothing, without an error, if there is no such name, or if it names a
// directory; a link that leads nowhere is an error.
Result<std::optional<std::string>> read_file(const std::string& path);

}  // namespace shunt
