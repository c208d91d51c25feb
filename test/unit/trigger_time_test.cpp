// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/trigger_time.h"

#include <gtest/gtest.h>

#include "agent/model/snapshot_edit.h"

namespace shunt {
namespace {

using namespace std::chrono_literals;

std::chrono::system_clock::time_point unix_time(std::chrono::nanoseconds since) {
    return std::chrono::system_clock::time_point(since);
}

TEST(TriggerTime, IsReadAsRfc3339) {
    EXPECT_EQ(parse_time("2026-11-23T09:10:00Z"), unix_time(1'795'425'000s));
    EXPECT_EQ(parse_time("2026-11-23T09:10:00.25Z"), unix_time(1'795'425'000s + 250ms));
    EXPECT_EQ(parse_time("2026-11-23T10:40:00.000000001+01:30"), unix_time(1'795'425'000s + 1ns));
    EXPECT_EQ(parse_time("2026-11-23T04:10:00-05:00"), unix_time(1'795'425'000s));
    for (const char* text : {"", "2026-11-23", "2026-11-23T09:10:00", "2026-11-23 09:10:00Z", "2026-11-23T09:10:00Zx",
                             "2026-11-23T09:10:00+1", "-026-11-23T09:10:00Z", "soon"}) {
        EXPECT_FALSE(parse_time(text)) << text;
    }
}

TEST(TriggerTime, EachIsNewsOnce) {
    Snapshot snapshot;
    Change change;
    const auto slice = [&](const char* name, const char* time) {
        put(snapshot, EndpointSlice{.name = {"shop", name}, .service_name = "web", .change_trigger_time = time},
            change);
    };
    TriggerTimes times(unix_time(1'795'425'000s));
    const ObjectName web{"shop", "web"};
    slice("old", "2026-11-23T09:09:59Z");  // before the start
    slice("none", "");
    EXPECT_TRUE(times.news(snapshot, web).empty());
    slice("a", "2026-11-23T09:10:01Z");
    EXPECT_EQ(times.news(snapshot, web).size(), 1U);
    EXPECT_TRUE(times.news(snapshot, web).empty());
    slice("b", "2026-11-23T09:10:02Z");
    EXPECT_EQ(times.news(snapshot, web), std::vector{unix_time(1'795'425'002s)});
    slice("a", "2026-11-23T09:10:03Z");
    EXPECT_EQ(times.news(snapshot, web), std::vector{unix_time(1'795'425'003s)});
    remove_slice(snapshot, {"shop", "a"}, change);
    EXPECT_TRUE(times.news(snapshot, web).empty());
}

}  // namespace
}  // namespace shunt
