// SPDX-License-Identifier: Apache-2.0
#include "agent/source/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/support/fd.h"

namespace shunt {

Result<std::optional<std::string>> read_file(const std::string& path) {
    // Without O_NONBLOCK a named pipe would stop the agent until somebody writes to it.
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd) {
        struct stat link;
        if (errno == ENOENT && ::lstat(path.c_str(), &link) == 0) {
            return failure("read", path, "a symbolic link that leads nowhere");
        }
        if (errno == ENOENT) {
            return std::nullopt;
        }
        return failure_errno("read", path);
    }
    struct stat status;
    if (::fstat(fd.get(), &status) != 0) {
        return failure_errno("read", path);
    }
    if (S_ISDIR(status.st_mode)) {
        return std::nullopt;
    }
    if (!S_ISREG(status.st_mode)) {
        return failure("read", path, "not a regular file");
    }
    std::string text;
    // The JSON parser wants room behind the text, and would copy it otherwise.
    text.reserve(std::min(static_cast<std::size_t>(status.st_size), largest_manifest) + 128);
    std::size_t size = 0;
    for (;;) {
        text.resize(size + std::max<std::size_t>(4096, size < static_cast<std::size_t>(status.st_size)
                                                           ? static_cast<std::size_t>(status.st_size) - size + 1
                                                           : size));
        if (size > largest_manifest) {
            return failure("read", path, "larger than 256 MiB, which no manifest is");
        }
        const ssize_t count = ::read(fd.get(), text.data() + size, text.size() - size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return failure_errno("read", path);
        }
        if (count == 0) {
            text.resize(size);
            return text;
        }
        size += static_cast<std::size_t>(count);
    }
}

}  // namespace shunt
