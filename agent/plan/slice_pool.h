// SPDX-License-Identifier: Apache-2.0
// Which parts of `slots` are free. Best fit over an index by size, so that the search does not grow with the
// number of holes; neighbours that are free merge. A slice that was given back rests for the grace period.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace shunt {

class SlicePool {
public:
    explicit SlicePool(std::uint32_t capacity);

    // Marks a slice that a service uses already. False, and nothing changed, unless all of it is free.
    bool reserve(std::uint32_t offset, std::uint32_t size);
    // nullopt: no hole is large enough now. `size` is not 0.
    std::optional<std::uint32_t> take(std::uint32_t size, std::uint64_t now_ns);
    void give_back(std::uint32_t offset, std::uint32_t size, std::uint64_t now_ns);

    std::uint32_t in_use() const { return in_use_; }  // slots, those at rest not counted

private:
    struct Resting {
        std::uint32_t offset, size;
        std::uint64_t since_ns;
    };
    using Holes = std::map<std::uint32_t, std::uint32_t>;

    void wake(std::uint64_t now_ns);
    void add_hole(std::uint32_t offset, std::uint32_t size);
    void cut(Holes::iterator hole, std::uint32_t offset, std::uint32_t size);

    std::uint32_t in_use_ = 0;
    Holes holes_;                                                // offset -> size
    std::set<std::pair<std::uint32_t, std::uint32_t>> by_size_;  // (size, offset)
    std::deque<Resting> resting_;                                // oldest first
};

}  // namespace shunt
