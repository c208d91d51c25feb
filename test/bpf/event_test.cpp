// SPDX-License-Identifier: Apache-2.0
// The list of events as a list: names are told apart, and every entry says something.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "maps/event.h"

namespace {

struct Entry {
    std::string_view kind, name, meaning, cause, next_step;
};

constexpr Entry ENTRIES[] = {
#define EVENT(kind, name, meaning, cause, next_step) {#kind, #name, meaning, cause, next_step},
#include "maps/event.def"
#undef EVENT
};

TEST(EventDef, NamesAreUnique) {
    std::set<std::string_view> names;
    for (const Entry& entry : ENTRIES) {
        EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    }
    EXPECT_EQ(names.size(), static_cast<std::size_t>(EVENT_COUNT));
}

TEST(EventDef, MeaningsAreUniqueAndNotEmpty) {
    std::set<std::string_view> meanings;
    for (const Entry& entry : ENTRIES) {
        EXPECT_FALSE(entry.meaning.empty()) << entry.name;
        EXPECT_TRUE(meanings.insert(entry.meaning).second) << entry.name;
    }
}

TEST(EventDef, NamesBeginWithTheirKind) {
    for (const Entry& entry : ENTRIES) {
        const bool is_named = entry.kind == "FORWARDED" ? entry.name.starts_with("FORWARDED_")
                              : entry.kind == "PASSED"   ? entry.name.starts_with("PASSED_")
                              : entry.kind == "DROPPED"  ? entry.name.starts_with("DROP_")
                              : entry.kind == "ANSWERED" ? entry.name.starts_with("ANSWERED_")
                                                         : entry.kind == "FLOW";
        EXPECT_TRUE(is_named) << entry.name;
    }
}

// What went wrong is of use only with what to do about it.
TEST(EventDef, DropsSayWhatToDo) {
    for (const Entry& entry : ENTRIES) {
        if (entry.kind == "DROPPED") {
            EXPECT_FALSE(entry.next_step.empty()) << entry.name;
        }
    }
}

}  // namespace
