// SPDX-License-Identifier: Apache-2.0
#include "agent/plan/maglev.h"

#include <algorithm>
#include <numeric>

namespace shunt {
namespace {

// Every node must come to the same table: a different seed or mixing is a different placement of all flows, and
// golden values in the tests hold them still.
constexpr std::uint64_t kSeed = 0x7368756e742d3031;  // "shunt-01"

struct SizeClass {
    std::size_t backends;  // up to
    std::uint32_t slots;   // a prime
};
constexpr SizeClass kSizes[] = {{2, 251},   {5, 509},   {10, 1021},   {20, 2039},
                                {40, 4093}, {81, 8191}, {163, 16381}, {327, 32749}};
constexpr std::uint32_t kLargest = 65521;

// The finaliser of MurmurHash3: every bit of the input reaches every bit of the output.
std::uint64_t mix(std::uint64_t value) {
    value = (value ^ (value >> 33)) * 0xff51afd7ed558ccd;
    value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53;
    return value ^ (value >> 33);
}

// Read octet by octet, so that byte order does not matter.
std::uint64_t word_at(const IpAddress& address, std::size_t first) {
    std::uint64_t word = 0;
    for (std::size_t i = first; i < first + 8; ++i) {
        word = word << 8 | address.octets[i];
    }
    return word;
}

std::uint64_t hash_identity(const BackendIdentity& backend) {
    std::uint64_t hash = mix(kSeed ^ (static_cast<std::uint64_t>(backend.address.family) << 16 | backend.port));
    hash = mix(hash ^ word_at(backend.address, 0));
    return mix(hash ^ word_at(backend.address, 8));
}

// A backend's walk over all slots: it wants them in the order offset, offset + skip, offset + 2 skip, …
struct Preference {
    std::uint32_t next;
    std::uint32_t skip;
};

Preference preference(const BackendIdentity& backend, std::uint32_t size) {
    const std::uint64_t hash = hash_identity(backend);
    return {.next = static_cast<std::uint32_t>(hash % size),
            .skip = static_cast<std::uint32_t>(mix(hash ^ kSeed) % (size - 1)) + 1};
}

}  // namespace

std::uint32_t maglev_size(std::size_t backends) {
    if (backends == 0) {
        return 0;
    }
    for (const SizeClass& size_class : kSizes) {
        if (backends <= size_class.backends) {
            return size_class.slots;
        }
    }
    return kLargest;
}

std::vector<std::uint32_t> maglev_table(std::span<const BackendIdentity> backends) {
    const std::uint32_t size = maglev_size(backends.size());
    constexpr std::uint32_t kEmpty = UINT32_MAX;
    std::vector<std::uint32_t> table(size, kEmpty);

    // Backends take turns; sorted, so that the order of the input does not decide who comes first.
    std::vector<std::uint32_t> turns(backends.size());
    std::iota(turns.begin(), turns.end(), 0U);
    std::ranges::sort(turns, [&](std::uint32_t left, std::uint32_t right) { return backends[left] < backends[right]; });
    std::vector<Preference> preferences(backends.size());
    for (std::uint32_t index : turns) {
        preferences[index] = preference(backends[index], size);
    }

    for (std::uint32_t filled = 0; filled < size;) {
        for (std::uint32_t index : turns) {
            Preference& walk = preferences[index];
            while (table[walk.next] != kEmpty) {
                walk.next = (walk.next + walk.skip) % size;
            }
            table[walk.next] = index;
            if (++filled == size) {
                break;
            }
        }
    }
    return table;
}

}  // namespace shunt
