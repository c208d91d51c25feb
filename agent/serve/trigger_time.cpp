// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/trigger_time.h"

#include <array>
#include <ctime>
#include <utility>

#include "agent/support/number.h"

namespace shunt {
namespace {

// Takes "<digits><end>" off the front; any end if `end` is 0. nullopt: something else stands there.
std::optional<int> take_number(std::string_view& text, std::size_t digits, char end) {
    if (text.size() < digits + (end != 0)) {
        return std::nullopt;
    }
    const auto number = parse_number<unsigned>(text.substr(0, digits));
    if (!number || (end != 0 && text[digits] != end)) {
        return std::nullopt;
    }
    text.remove_prefix(digits + (end != 0));
    return static_cast<int>(*number);
}

std::chrono::nanoseconds take_fraction(std::string_view& text) {
    std::int64_t value = 0;
    std::int64_t unit = 1'000'000'000;
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
            unit /= 10;
            value += (text.front() - '0') * unit;
            text.remove_prefix(1);
        }
    }
    return std::chrono::nanoseconds(value);
}

}  // namespace

std::optional<std::chrono::system_clock::time_point> parse_time(std::string_view text) {
    std::array<int, 6> parts{};  // year, month, day, hour, minute, second
    constexpr std::array ends = {'-', '-', 'T', ':', ':', '\0'};
    for (std::size_t i = 0; i < parts.size(); i++) {
        const auto part = take_number(text, i == 0 ? 4 : 2, ends[i]);
        if (!part) {
            return std::nullopt;
        }
        parts[i] = *part;
    }
    const std::chrono::nanoseconds fraction = take_fraction(text);
    std::chrono::seconds ahead{};  // of UTC
    if (text.starts_with('+') || text.starts_with('-')) {
        const int sign = text.front() == '+' ? 1 : -1;
        text.remove_prefix(1);
        const auto hours = take_number(text, 2, ':');
        const auto minutes = hours ? take_number(text, 2, '\0') : std::nullopt;
        if (!minutes) {
            return std::nullopt;
        }
        ahead = sign * (std::chrono::hours(*hours) + std::chrono::minutes(*minutes));
    } else if (text.starts_with('Z')) {
        text.remove_prefix(1);
    } else {
        return std::nullopt;
    }
    if (!text.empty()) {
        return std::nullopt;
    }
    std::tm utc{.tm_sec = parts[5],
                .tm_min = parts[4],
                .tm_hour = parts[3],
                .tm_mday = parts[2],
                .tm_mon = parts[1] - 1,
                .tm_year = parts[0] - 1900};
    return std::chrono::system_clock::from_time_t(timegm(&utc)) - ahead +
           std::chrono::duration_cast<std::chrono::system_clock::duration>(fraction);
}

std::vector<std::chrono::system_clock::time_point> TriggerTimes::news(const Snapshot& snapshot,
                                                                      const ObjectName& service) {
    std::vector<std::chrono::system_clock::time_point> news;
    Times now;
    const auto before = seen_.find(service);
    if (const auto slices = snapshot.slices_of_service.find(service); slices != snapshot.slices_of_service.end()) {
        for (const ObjectName& name : slices->second) {
            const auto slice = snapshot.slices.find(name);
            const auto time =
                slice == snapshot.slices.end() ? std::nullopt : parse_time(slice->second.change_trigger_time);
            if (!time || *time <= start_) {
                continue;
            }
            now.emplace(name, *time);
            const auto known = before == seen_.end() ? Times::const_iterator() : before->second.find(name);
            if (before == seen_.end() || known == before->second.end() || known->second != *time) {
                news.push_back(*time);
            }
        }
    }
    if (now.empty()) {
        seen_.erase(service);
    } else {
        seen_[service] = std::move(now);
    }
    return news;
}

}  // namespace shunt
