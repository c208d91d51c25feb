// SPDX-License-Identifier: Apache-2.0
// The kernel's helper for softirqs that last too long: work it takes over is missing from the sender's CPU time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace shunt::bench {

class Ksoftirqd {
public:
    explicit Ksoftirqd(std::uint64_t cpu) {
        const std::string name = "ksoftirqd/" + std::to_string(cpu);
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            std::string found;
            if (std::getline(std::ifstream(entry.path() / "comm"), found) && found == name) {
                statistics_ = entry.path() / "schedstat";
                return;
            }
        }
    }

    // CPU time since boot; 0 where it cannot be seen.
    std::uint64_t run_ns() const {
        std::uint64_t ns = 0;
        std::ifstream(statistics_) >> ns;
        return ns;
    }

private:
    std::filesystem::path statistics_;
};

}  // namespace shunt::bench
