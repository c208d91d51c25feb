// SPDX-License-Identifier: Apache-2.0
#include "agent/report/events.h"

namespace shunt {
namespace {

constexpr EventText kEvents[] = {
#define EVENT(kind, name, meaning, cause, next_step) {EVENT_##kind, #name, meaning, cause, next_step},
#include "maps/event.def"
#undef EVENT
};

}  // namespace

std::span<const EventText, EVENT_COUNT> event_texts() { return kEvents; }

std::string_view word(event_kind kind) {
    switch (kind) {
        case EVENT_FORWARDED:
            return "forwarded";
        case EVENT_FLOW:
            return "flow";
        case EVENT_PASSED:
            return "passed";
        case EVENT_ANSWERED:
            return "answered";
        case EVENT_DROPPED:
            return "dropped";
    }
    return "?";
}

}  // namespace shunt
