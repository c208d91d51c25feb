// SPDX-License-Identifier: Apache-2.0
// JSON -> Document, on simdjson's tape: no allocation for a node. Of 37 MB of EndpointSlices (100,000 endpoints), what
// takes time is touching fresh memory, not decoding; so the text is moved in, with room at its end if possible.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "agent/decode/document.h"
#include "agent/decode/yaml_document.h"

namespace shunt::decode {

// Whether an error says where it stands. Finding out reads the text up to there once more, for each error.
enum class JsonPositions { told, left_out };

// Calls visit(document) for each document of the text, until one returns false. Text that holds a single document
// is parsed once; several are first taken apart, at a cost of one more pass. Spare capacity of 64 bytes saves a copy.
std::optional<SyntaxError> for_each_json_document(std::string text, const std::function<bool(const Document&)>& visit,
                                                  JsonPositions positions = JsonPositions::told);

}  // namespace shunt::decode
