// SPDX-License-Identifier: Apache-2.0
// /proc and /sys as text; of another root directory in tests.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace shunt {

class Machine {
public:
    explicit Machine(std::string root = "") : root_(std::move(root)) {}

    // Without the newline at the end; none if there is no such file or it may not be read.
    std::optional<std::string> text(const std::string& path) const;
    std::optional<long> number(const std::string& path) const;  // none also for what is no number
    bool exists(const std::string& path) const;

private:
    std::string root_;
};

}  // namespace shunt
