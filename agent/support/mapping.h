// SPDX-License-Identifier: Apache-2.0
// Memory shared with a descriptor (a BPF map, a file), with one owner. Does not need the descriptor to stay open.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "agent/support/result.h"

namespace shunt {

class Mapping {
public:
    // `size` in bytes; `protection` as for mmap(2); `name` for the error.
    static Result<Mapping> open(int fd, std::size_t size, int protection, const char* name) {
        void* memory = mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) {
            return failure_errno("map", name);
        }
        return Mapping(memory, size);
    }

    Mapping() = default;
    Mapping(Mapping&& other) noexcept
        : memory_(std::exchange(other.memory_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Mapping& operator=(Mapping&& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(size_, other.size_);
        return *this;
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (memory_ != nullptr) {
            munmap(memory_, size_);
        }
    }

    void* data() const { return memory_; }
    std::size_t size() const { return size_; }

private:
    Mapping(void* memory, std::size_t size) : memory_(memory), size_(size) {}
    void* memory_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace shunt
