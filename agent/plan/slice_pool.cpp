// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/slice_pool.h"

#include <iterator>

#include "maps/slot.h"

namespace shunt {

SlicePool::SlicePool(std::uint32_t capacity) {
    if (capacity != 0) {
        add_hole(0, capacity);
    }
}

bool SlicePool::reserve(std::uint32_t offset, std::uint32_t size) {
    auto hole = holes_.upper_bound(offset);
    if (size == 0 || hole == holes_.begin()) {
        return false;
    }
    --hole;
    const std::uint64_t hole_end = std::uint64_t{hole->first} + hole->second;
    if (std::uint64_t{offset} + size > hole_end) {
        return false;
    }
    cut(hole, offset, size);
    return true;
}

std::optional<std::uint32_t> SlicePool::take(std::uint32_t size, std::uint64_t now_ns) {
    wake(now_ns);
    auto fit = by_size_.lower_bound({size, 0});
    if (fit == by_size_.end()) {
        return std::nullopt;
    }
    const std::uint32_t offset = fit->second;
    cut(holes_.find(offset), offset, size);
    return offset;
}

void SlicePool::give_back(std::uint32_t offset, std::uint32_t size, std::uint64_t now_ns) {
    in_use_ -= size;
    resting_.push_back({.offset = offset, .size = size, .since_ns = now_ns});
}

void SlicePool::wake(std::uint64_t now_ns) {
    while (!resting_.empty() && now_ns >= resting_.front().since_ns + SLOT_GRACE_NS) {
        add_hole(resting_.front().offset, resting_.front().size);
        resting_.pop_front();
    }
}

void SlicePool::add_hole(std::uint32_t offset, std::uint32_t size) {
    auto after = holes_.lower_bound(offset);
    if (after != holes_.end() && offset + size == after->first) {
        size += after->second;
        by_size_.erase({after->second, after->first});
        after = holes_.erase(after);
    }
    if (after != holes_.begin()) {
        auto before = std::prev(after);
        if (before->first + before->second == offset) {
            by_size_.erase({before->second, before->first});
            before->second += size;
            by_size_.insert({before->second, before->first});
            return;
        }
    }
    holes_.emplace_hint(after, offset, size);
    by_size_.insert({size, offset});
}

void SlicePool::cut(Holes::iterator hole, std::uint32_t offset, std::uint32_t size) {
    const auto [hole_offset, hole_size] = *hole;
    by_size_.erase({hole_size, hole_offset});
    holes_.erase(hole);
    if (offset > hole_offset) {
        add_hole(hole_offset, offset - hole_offset);
    }
    const std::uint32_t rest = hole_offset + hole_size - (offset + size);
    if (rest != 0) {
        add_hole(offset + size, rest);
    }
    in_use_ += size;
}

}  // namespace shunt
