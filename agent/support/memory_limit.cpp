// SPDX-License-Identifier: Apache-2.0
#include "agent/support/memory_limit.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <sstream>

namespace shunt {
namespace {

// Four slots of 64 bytes for IPv4 and four of 128 for IPv6.
constexpr std::uint64_t kBytesPerFlow = 768;
constexpr std::uint64_t kShareOfMemory = 256;

std::uint64_t read_number(const std::string& path) {
    std::ifstream file(path);
    std::uint64_t value = 0;
    return file >> value ? value : 0;  // "max" is no number
}

// The path of this process in the cgroup hierarchy: v2 has the controller list empty, v1 names "memory".
std::uint64_t cgroup_limit() {
    std::ifstream file("/proc/self/cgroup");
    std::string line;
    std::uint64_t limit = 0;
    while (std::getline(file, line)) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (second == std::string::npos) {
            continue;
        }
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string path = line.substr(second + 1);
        std::uint64_t value = 0;
        if (controllers.empty()) {
            value = read_number("/sys/fs/cgroup" + path + "/memory.max");
        } else if (controllers == "memory") {
            value = read_number("/sys/fs/cgroup/memory" + path + "/memory.limit_in_bytes");
        }
        if (value != 0 && (limit == 0 || value < limit)) {
            limit = value;
        }
    }
    return limit;
}

}  // namespace

MemoryLimit memory_limit() {
    struct sysinfo info{};
    sysinfo(&info);
    const std::uint64_t machine = std::uint64_t{info.totalram} * info.mem_unit;
    const std::uint64_t cgroup = cgroup_limit();
    if (cgroup != 0 && cgroup < machine) {
        return {cgroup, "cgroup"};
    }
    return {machine, "machine"};
}

std::uint32_t default_max_flows(std::uint64_t memory_bytes) {
    const std::uint64_t flows = memory_bytes / kShareOfMemory / kBytesPerFlow;
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(std::bit_floor(flows), 16384, 1048576));
}

}  // namespace shunt
