// SPDX-License-Identifier: Apache-2.0
// The capabilities of this process, which are the agent's when it runs the check.
#include <array>
#include <charconv>
#include <cstdint>

#include "agent/check/check.h"

namespace shunt {
namespace {

// linux/capability.h
constexpr unsigned kNetAdmin = 12;
constexpr unsigned kSysAdmin = 21;  // stands for the two that were split off it
constexpr unsigned kPerfmon = 38;
constexpr unsigned kBpf = 39;

std::optional<std::uint64_t> effective(const Machine& machine) {
    const std::string status = machine.text("/proc/self/status").value_or("");
    constexpr std::string_view kTitle = "CapEff:\t";
    const auto at = status.find(kTitle);
    if (at == std::string::npos) {
        return std::nullopt;
    }
    std::uint64_t bits = 0;
    const char* begin = status.data() + at + kTitle.size();
    return std::from_chars(begin, status.data() + status.size(), bits, 16).ec == std::errc() ? std::optional(bits) : std::nullopt;
}

}  // namespace

Findings check_privileges(const Machine& machine) {
    const auto bits = effective(machine);
    if (!bits) {
        return {{Level::warning, "privileges", "/proc/self/status does not tell the capabilities", "mount /proc"}};
    }
    const auto has = [&bits](unsigned capability) { return (*bits >> capability & 1) != 0; };
    std::string missing;
    const auto need = [&](const char* name, bool is_there) {
        if (!is_there) {
            missing += (missing.empty() ? "" : ", ") + std::string(name);
        }
    };
    need("CAP_BPF", has(kBpf) || has(kSysAdmin));
    need("CAP_NET_ADMIN", has(kNetAdmin));
    need("CAP_PERFMON", has(kPerfmon) || has(kSysAdmin));
    if (!missing.empty()) {
        return {{Level::failure, "privileges", missing + " missing",
                 "run as root, or grant CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"}};
    }
    return {{Level::ok, "privileges", "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are there", ""}};
}

}  // namespace shunt
