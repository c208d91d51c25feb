// SPDX-License-Identifier: Apache-2.0
#include "agent/network/reserved_ports.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "agent/support/fd.h"
#include "agent/support/number.h"

namespace shunt {
namespace {

constexpr const char* LOCAL_PORTS = "/proc/sys/net/ipv4/ip_local_port_range";
constexpr const char* RESERVED_PORTS = "/proc/sys/net/ipv4/ip_local_reserved_ports";

Result<std::string> read_sysctl(const char* path) {
    const Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
    if (!fd) {
        return failure_errno("read", path);
    }
    std::string text;
    std::array<char, 4096> piece{};
    while (true) {
        const ssize_t size = ::read(fd.get(), piece.data(), piece.size());
        if (size < 0) {
            return failure_errno("read", path);
        }
        if (size == 0) {
            return text;
        }
        text.append(piece.data(), static_cast<std::size_t>(size));
    }
}

// One write: the kernel replaces the whole list at each.
Status write_sysctl(const char* path, const std::string& value) {
    const Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
    if (!fd) {
        return failure_errno("write", path);
    }
    const ssize_t written = ::write(fd.get(), value.data(), value.size());
    if (written < 0) {
        return failure_errno("write", path);
    }
    if (static_cast<std::size_t>(written) != value.size()) {
        return failure("write", path, "the kernel took only a part of the list");
    }
    return {};
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const std::size_t first = text.find_first_not_of(space);
    return first == std::string_view::npos ? std::string_view{}
                                           : text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::optional<PortRange> parse_range(std::string_view text, char separator) {
    const std::size_t at = text.find(separator);
    const auto low = parse_number<std::uint16_t>(trim(text.substr(0, at)));
    const auto high = at == std::string_view::npos ? low : parse_number<std::uint16_t>(trim(text.substr(at + 1)));
    return low && high && *low <= *high ? std::optional(PortRange{*low, *high}) : std::nullopt;
}

}  // namespace

std::optional<std::vector<PortRange>> parse_port_list(std::string_view text) {
    std::vector<PortRange> list;
    text = trim(text);
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const auto range = parse_range(trim(text.substr(0, comma)), '-');
        if (!range) {
            return std::nullopt;
        }
        list.push_back(*range);
        if (comma == std::string_view::npos) {
            break;
        }
        text = text.substr(comma + 1);
        if (text.empty()) {
            return std::nullopt;
        }
    }
    return list;
}

std::string text_of(PortRange range) { return std::to_string(range.low) + '-' + std::to_string(range.high); }

std::string format_port_list(const std::vector<PortRange>& list) {
    std::string text;
    for (const PortRange& range : list) {
        text += (text.empty() ? "" : ",") + std::to_string(range.low);
        if (range.high != range.low) {
            text += "-" + std::to_string(range.high);
        }
    }
    return text;
}

std::vector<PortRange> merge_port_range(std::vector<PortRange> list, PortRange range) {
    list.push_back(range);
    std::ranges::sort(list, {}, &PortRange::low);
    std::vector<PortRange> merged;
    for (const PortRange& next : list) {
        // In int, so that 65535 + 1 is not 0.
        if (!merged.empty() && int{next.low} <= int{merged.back().high} + 1) {
            merged.back().high = std::max(merged.back().high, next.high);
        } else {
            merged.push_back(next);
        }
    }
    return merged;
}

Result<bool> reserve_ports(std::uint16_t low, std::uint16_t high) {
    const auto local_text = read_sysctl(LOCAL_PORTS);
    if (!local_text) {
        return std::unexpected(local_text.error());
    }
    const auto local = parse_range(trim(*local_text), '\t');
    if (!local) {
        return failure("read", LOCAL_PORTS, "not a range of ports: " + std::string(trim(*local_text)));
    }
    if (high < local->low || local->high < low) {
        return false;
    }
    const auto reserved_text = read_sysctl(RESERVED_PORTS);
    if (!reserved_text) {
        return std::unexpected(reserved_text.error());
    }
    const auto reserved = parse_port_list(*reserved_text);
    if (!reserved) {
        return failure("read", RESERVED_PORTS, "not a list of ports: " + std::string(trim(*reserved_text)));
    }
    const std::vector<PortRange> merged = merge_port_range(*reserved, {low, high});
    if (merged == *reserved) {
        return false;
    }
    if (Status status = write_sysctl(RESERVED_PORTS, format_port_list(merged)); !status) {
        return std::unexpected(status.error());
    }
    return true;
}

}  // namespace shunt
