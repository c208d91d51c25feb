// SPDX-License-Identifier: Apache-2.0
// Reads a whole hash map or trie in batches: a system call for thousands of entries. Entries that come or go meanwhile may be
// missed; none is seen twice.
#pragma once

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/support/result.h"

namespace shunt {

// Calls visit(const Key&, const Value*). `values_per_entry`: 1, or the number of possible CPUs for a per-CPU map, whose
// Value must be a multiple of 8 bytes.
template <typename Key, typename Value, typename Visit>
Status walk_map(int map, const std::string& name, std::size_t values_per_entry, Visit&& visit) {
    std::uint32_t batch = 1024;
    std::vector<Key> keys(batch);
    std::vector<Value> values(batch * values_per_entry);
    // The number of a bucket for a hash map, a key for a trie.
    std::array<std::byte, std::max(sizeof(Key), sizeof(std::uint32_t))> position{};
    for (bool first = true, more = true; more;) {
        std::uint32_t count = batch;
        if (bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), values.data(), &count,
                                 nullptr) != 0) {
            if (errno == ENOSPC) {  // one bucket has more entries than a batch
                batch *= 2;
                keys.resize(batch);
                values.resize(batch * values_per_entry);
                continue;
            }
            if (errno != ENOENT) {
                return failure_errno("read map", name);
            }
            more = false;
        }
        first = false;
        for (std::uint32_t i = 0; i < count; i++) {
            visit(keys[i], &values[i * values_per_entry]);
        }
    }
    return {};
}

}  // namespace shunt
