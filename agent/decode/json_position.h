// SPDX-License-Identifier: Apache-2.0
// Where things stand in a JSON text. The fast parser keeps no positions, so an error message asks here, which
// reads the text once more.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "agent/decode/document.h"

namespace shunt::decode {

struct JsonExtent {
    std::size_t end = 0;            // the first byte after the value, or where it goes wrong
    const char* error = nullptr;    // what is wrong there; nullptr: nothing
};

// The value that begins at or after `begin`, white space skipped.
JsonExtent json_extent(std::string_view text, std::size_t begin);

// Where the value at `path` inside the valid value at `begin` begins; of the innermost parent that is there.
std::size_t json_locate(std::string_view text, std::size_t begin, std::span<const PathStep> path);

std::size_t json_skip_space(std::string_view text, std::size_t begin);

Position position_at(std::string_view text, std::size_t offset);

}  // namespace shunt::decode
