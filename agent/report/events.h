// SPDX-License-Identifier: Apache-2.0
// The entries of maps/event.def, for people. The index is enum event.
#pragma once

#include <span>
#include <string_view>

#include "maps/event.h"

namespace shunt {

struct EventText {
    event_kind kind;
    std::string_view name;
    std::string_view meaning;
    std::string_view cause;      // may be empty
    std::string_view next_step;  // may be empty
};

std::span<const EventText, EVENT_COUNT> event_texts();

std::string_view word(event_kind kind);  // "forwarded", "flow", "passed", "answered", "dropped"

}  // namespace shunt
