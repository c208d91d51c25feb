// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/map_state.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <atomic>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace shunt {
namespace {

template <typename Key, typename Value>
using Entries = std::vector<std::pair<Key, Value>>;

constexpr int kNotSupported = 524;  // ENOTSUPP, which only the kernel knows by name

template <typename Key, typename Value>
Result<Entries<Key, Value>> read_one_by_one(int map, const char* name) {
    Entries<Key, Value> entries;
    std::optional<Key> last;
    Key key{};
    while (bpf_map_get_next_key(map, last ? &*last : nullptr, &key) == 0) {
        Value value;
        if (bpf_map_lookup_elem(map, &key, &value) == 0) {
            entries.emplace_back(key, value);
        }
        last = key;
    }
    if (errno != ENOENT) {
        return failure_errno("read", std::string("map ") + name);
    }
    return entries;
}

// A hash map answers by whole buckets: ENOSPC says that the next one is larger than the buffer.
template <typename Key, typename Value>
Result<Entries<Key, Value>> read_all(int map, const char* name) {
    Entries<Key, Value> entries;
    std::vector<Key> keys(1024);
    std::vector<Value> values(keys.size());
    using Position = std::array<std::byte, std::max(sizeof(Key), sizeof(std::uint32_t))>;  // a bucket; of a trie a key
    Position position{};
    bool is_first = true;
    for (;;) {
        Position next{};
        auto count = static_cast<__u32>(keys.size());
        const int error = bpf_map_lookup_batch(map, is_first ? nullptr : &position, &next, keys.data(), values.data(),
                                               &count, nullptr);
        if (error == -ENOSPC) {
            keys.resize(keys.size() * 2);
            values.resize(keys.size());
            continue;
        }
        if (is_first && (error == -EINVAL || error == -EOPNOTSUPP || error == -kNotSupported)) {
            return read_one_by_one<Key, Value>(map, name);
        }
        if (error != 0 && error != -ENOENT) {
            return failure_errno("read", std::string("map ") + name, error);
        }
        for (__u32 i = 0; i < count; ++i) {
            entries.emplace_back(keys[i], values[i]);
        }
        if (error == -ENOENT) {
            return entries;
        }
        position = next;
        is_first = false;
    }
}

Result<std::uint32_t> max_entries(int map, const char* name) {
    bpf_map_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(map, &info, &length) != 0) {
        return failure_errno("inspect", std::string("map ") + name);
    }
    return info.max_entries;
}

}  // namespace

Result<MapEntries> read_map_entries(const MapDescriptors& maps) {
    auto services = read_all<std::uint32_t, service>(maps.services, "services");
    if (!services) {
        return std::unexpected(services.error());
    }
    auto backends = read_all<std::uint32_t, backend>(maps.backends, "backends");
    if (!backends) {
        return std::unexpected(backends.error());
    }
    auto frontends = read_all<frontend_key, frontend>(maps.frontends, "frontends");
    if (!frontends) {
        return std::unexpected(frontends.error());
    }
    auto source_ranges = read_all<source_range_key, source_range>(maps.source_ranges, "source_ranges");
    if (!source_ranges) {
        return std::unexpected(source_ranges.error());
    }
    // By id, so that which of two contradicting entries counts does not hang on the kernel's hash.
    std::ranges::sort(*services, {}, &std::pair<std::uint32_t, service>::first);
    std::ranges::sort(*backends, {}, &std::pair<std::uint32_t, backend>::first);
    return MapEntries{.services = std::move(*services),
                      .backends = std::move(*backends),
                      .frontends = std::move(*frontends),
                      .source_ranges = std::move(*source_ranges),
                      .slots = {maps.slots, maps.slots_size},
                      .vips = std::atomic_ref(maps.control_page->vips).load(std::memory_order_relaxed)};
}

Result<MapState> read_map_state(const MapDescriptors& maps) {
    MapLimits limits{.slots = maps.slots_size};
    for (auto [fd, name, limit] : {std::tuple{maps.services, "services", &limits.services},
                                   {maps.backends, "backends", &limits.backends},
                                   {maps.frontends, "frontends", &limits.frontends},
                                   {maps.source_ranges, "source_ranges", &limits.source_ranges}}) {
        auto size = max_entries(fd, name);
        if (!size) {
            return std::unexpected(size.error());
        }
        *limit = *size;
    }
    auto entries = read_map_entries(maps);
    if (!entries) {
        return std::unexpected(entries.error());
    }
    return MapState::from(*entries, limits);
}

}  // namespace shunt
