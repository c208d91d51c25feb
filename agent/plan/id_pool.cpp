// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/id_pool.h"

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

std::uint32_t IdPool::take(std::uint64_t now_ns) {
    while (!resting_.empty() && now_ns >= resting_.front().since_ns + SLOT_GRACE_NS) {
        used_.erase(resting_.front().id);
        resting_.pop_front();
    }
    while (next_ == 0 || used_.contains(next_)) {
        ++next_;
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
    return occupied < capacity_ ? capacity_ - occupied : 0;
}

}  // namespace shunt
