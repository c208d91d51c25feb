// SPDX-License-Identifier: Apache-2.0
// Errors are values: what was attempted, on which object, and why it failed.
#pragma once

#include <cerrno>
#include <cstring>
#include <expected>
#include <string>
#include <utility>

namespace shunt {

struct Error {
    std::string operation;  // what was attempted, e.g. "attach XDP"
    std::string object;     // to what, e.g. "eth0" or "services.yaml:12:3"; may be empty
    std::string reason;     // why not, with the next step where there is one

    // "attach XDP to eth0: …"; one line, no full stop.
    std::string message() const {
        std::string text = operation;
        if (!object.empty()) {
            text += ' ' + object;
        }
        return text + ": " + reason;
    }
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> failure(std::string operation, std::string object, std::string reason) {
    return std::unexpected(Error{std::move(operation), std::move(object), std::move(reason)});
}

// `error` is an errno value, positive; libbpf's negative returns are accepted too.
inline std::unexpected<Error> failure_errno(std::string operation, std::string object, int error = errno) {
    return failure(std::move(operation), std::move(object), std::strerror(error < 0 ? -error : error));
}

}  // namespace shunt
