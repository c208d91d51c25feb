// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/id_pool.h"

#include <algorithm>

#include "maps/slot.h"

namespace shunt {

bool IdPool::reserve(std::uint32_t id) {
    if (id == 0 || !used_.insert(id).second) {
        return false;
    }
    if (id >= next_) {
        next_ = id + 1;
    }
    return true;
}

void IdPool::begin_plan(std::uint64_t now_ns) {
    leaving_ = 0;
    wake(now_ns);
}

void IdPool::wake(std::uint64_t now_ns) {
    while (!resting_.empty() && now_ns >= resting_.front().since_ns + SLOT_GRACE_NS) {
        used_.erase(resting_.front().id);
        resting_.pop_front();
    }
}

std::uint32_t IdPool::take(std::uint64_t now_ns) {
    wake(now_ns);
    while (next_ == 0 || next_ > last_ || used_.contains(next_)) {
        next_ = next_ >= last_ ? 1 : next_ + 1;
    }
    used_.insert(next_);
    return next_++;
}

void IdPool::give_back(std::uint32_t id, std::uint64_t now_ns) {
    resting_.push_back({.id = id, .since_ns = now_ns});
    ++leaving_;
}

std::size_t IdPool::room() const {
    const std::size_t occupied = in_use() + leaving_;
    const std::size_t fit = occupied < capacity_ ? capacity_ - occupied : 0;
    const std::size_t left = used_.size() < last_ ? last_ - used_.size() : 0;
    return std::min(fit, left);
}

}  // namespace shunt
