// SPDX-License-Identifier: Apache-2.0
// The file system that keeps programs and maps alive without the agent.
#include <sstream>

#include "agent/check/check.h"

namespace shunt {
namespace {

struct Mount {
    std::string at, type, options;
};

bool is_under(const std::string& path, const std::string& folder) {
    return folder == "/" || path == folder || path.starts_with(folder + '/');
}

// What is mounted where the path is; the last of several in one place covers the others.
Mount mount_of(const std::string& mounts, const std::string& path) {
    Mount found;
    std::istringstream lines(mounts);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string device;
        Mount mount;
        words >> device >> mount.at >> mount.type >> mount.options;
        if (is_under(path, mount.at) && mount.at.size() >= found.at.size()) {
            found = mount;
        }
    }
    return found;
}

}  // namespace

Findings check_bpffs(const Machine& machine, const std::string& pin_dir) {
    const auto mounts = machine.text("/proc/self/mounts");
    if (!mounts) {
        return {{Level::warning, "bpffs", "/proc/self/mounts is not readable", "mount /proc"}};
    }
    const Mount mount = mount_of(*mounts, pin_dir);
    if (mount.type != "bpf") {
        return {{Level::failure, "bpffs", pin_dir + " is not on a bpffs: nothing can be pinned there",
                 "mount -t bpf bpf /sys/fs/bpf; in a pod, mount the host's /sys/fs/bpf"}};
    }
    if (("," + mount.options + ",").find(",ro,") != std::string::npos) {
        return {{Level::failure, "bpffs", mount.at + " is mounted read-only", "mount -o remount,rw " + mount.at}};
    }
    return {{Level::ok, "bpffs", mount.at + " is a bpffs", ""}};
}

}  // namespace shunt
