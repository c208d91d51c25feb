// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/pin_directory.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

namespace shunt {
namespace {

constexpr const char* kBpffs = "/sys/fs/bpf";

bool is_bpffs(const char* path) {
    struct statfs info{};
    return statfs(path, &info) == 0 && static_cast<unsigned long>(info.f_type) == BPF_FS_MAGIC;
}

Status ensure_bpffs(const std::string& path) {
    if (path.rfind(kBpffs, 0) != 0 || is_bpffs(kBpffs)) {
        return {};
    }
    if (mount("bpf", kBpffs, "bpf", 0, "mode=0700") != 0) {
        return failure_errno("mount bpffs at", kBpffs);
    }
    return {};
}

}  // namespace

Result<PinDirectory> PinDirectory::open_and_lock(std::string path) {
    if (auto mounted = ensure_bpffs(path); !mounted) {
        return std::unexpected(mounted.error());
    }
    for (const char* folder : {"", "/programs", "/links", "/show"}) {
        std::error_code error;
        std::filesystem::create_directories(path + folder, error);
        if (error) {
            return failure("make pin directory", path + folder, error.message());
        }
    }
    if (!is_bpffs(path.c_str())) {
        return failure("use pin directory", path, "it is not on a bpffs (mount -t bpf bpf DIRECTORY)");
    }
    Fd lock(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock) {
        return failure_errno("open pin directory", path);
    }
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return failure("lock pin directory", path,
                           "another shunt agent uses it (shunt status names its pid); stop it, or give this one "
                           "its own --pin-dir");
        }
        return failure_errno("lock pin directory", path);
    }
    return PinDirectory(std::move(path), std::move(lock));
}

Result<std::uint32_t> pinned_abi(const std::string& pin_directory) {
    const std::string path = pin_directory + "/control";
    const Fd map(bpf_obj_get(path.c_str()));
    if (!map) {
        return 0;
    }
    bpf_map_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(map.get(), &info, &length) != 0) {
        return failure_errno("inspect", path);
    }
    // As large as that build's value; the ABI is its first word.
    std::vector<std::byte> value(std::max<std::size_t>(info.value_size, sizeof(std::uint32_t)));
    const std::uint32_t zero = 0;
    if (bpf_map_lookup_elem(map.get(), &zero, value.data()) != 0) {
        return failure_errno("read", path);
    }
    std::uint32_t abi = 0;
    std::memcpy(&abi, value.data(), sizeof(abi));
    return abi;
}

Status pin_in_place(int fd, const std::string& path) {
    const std::string fresh = path + "_new";
    unlink(fresh.c_str());  // left by an agent that died here
    if (int error = bpf_obj_pin(fd, fresh.c_str()); error != 0) {
        return failure_errno("pin", fresh, error);
    }
    if (rename(fresh.c_str(), path.c_str()) != 0) {
        return failure_errno("rename pin to", path);
    }
    return {};
}

}  // namespace shunt
