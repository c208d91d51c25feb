// SPDX-License-Identifier: Apache-2.0
// Ids of a hash map's entries. They are handed out in turn, not lowest first: flows that outlive their backend
// still carry its id, so an id comes back as late as can be, and never within the grace period.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_set>

namespace shunt {

class IdPool {
public:
    // Ids go from 1 to `last`.
    explicit IdPool(std::size_t capacity, std::uint32_t last = UINT32_MAX) : capacity_(capacity), last_(last) {}

    // Marks an id that stands in the map already. False if it is 0 or taken.
    bool reserve(std::uint32_t id);
    // `room()` must not be 0.
    std::uint32_t take(std::uint64_t now_ns);
    void give_back(std::uint32_t id, std::uint64_t now_ns);

    // How many more there are, and fit into the map while everything given back since begin_plan() still stands in it: a
    // plan adds before it removes.
    std::size_t room() const;
    void begin_plan(std::uint64_t now_ns);

    std::size_t in_use() const { return used_.size() - resting_.size(); }

private:
    struct Resting {
        std::uint32_t id;
        std::uint64_t since_ns;
    };

    void wake(std::uint64_t now_ns);

    std::size_t capacity_;
    std::uint32_t last_;
    std::size_t leaving_ = 0;
    std::uint32_t next_ = 1;
    std::unordered_set<std::uint32_t> used_;  // in use or resting
    std::deque<Resting> resting_;             // oldest first
};

}  // namespace shunt
