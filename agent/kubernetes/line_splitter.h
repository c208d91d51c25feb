// SPDX-License-Identifier: Apache-2.0
// A stream, in pieces of any size -> its lines.
#pragma once

#include <string>
#include <string_view>

namespace shunt {

class LineSplitter {
public:
    // Longer lines are an error. An object in etcd has 1.5 MiB at most.
    explicit LineSplitter(std::size_t longest = 16U << 20) : longest_(longest) {}

    // take(line) for each line that ends in `bytes`, without its end; empty ones are left out. False if take returned
    // false, or if a line is too long: the rest is then dropped.
    template <typename Take>
    bool feed(std::string_view bytes, Take&& take) {
        for (std::size_t end = bytes.find('\n'); end != bytes.npos; end = bytes.find('\n')) {
            begun_.append(bytes.substr(0, end));
            bytes.remove_prefix(end + 1);
            const bool go_on = begun_.empty() || take(std::string_view(begun_));
            begun_.clear();
            if (!go_on) {
                return false;
            }
        }
        begun_.append(bytes);
        return begun_.size() <= longest_;
    }

    void clear() { std::string().swap(begun_); }

private:
    std::size_t longest_;
    std::string begun_;
};

}  // namespace shunt
