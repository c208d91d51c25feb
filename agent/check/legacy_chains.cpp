// SPDX-License-Identifier: Apache-2.0
// The tables of xtables as the kernel hands them out: entries one after the other, in which an ERROR target that carries a
// name begins a chain, and a built-in chain's policy is the standard target at its underflow.
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sstream>

#include "agent/check/netfilter_chains.h"
#include "agent/support/fd.h"

namespace shunt {
namespace {

constexpr int kAttempts = 3;  // a table that is replaced between the two questions has another size
constexpr int kDropVerdict = -NF_DROP - 1;

struct Ipv4 {
    using Info = ipt_getinfo;
    using Entries = ipt_get_entries;
    using Entry = ipt_entry;
    static constexpr int kFamily = AF_INET, kLevel = IPPROTO_IP, kGetInfo = IPT_SO_GET_INFO, kGetEntries = IPT_SO_GET_ENTRIES;
    static constexpr const char* kTables = "/proc/net/ip_tables_names";
};

struct Ipv6 {
    using Info = ip6t_getinfo;
    using Entries = ip6t_get_entries;
    using Entry = ip6t_entry;
    static constexpr int kFamily = AF_INET6, kLevel = IPPROTO_IPV6, kGetInfo = IP6T_SO_GET_INFO, kGetEntries = IP6T_SO_GET_ENTRIES;
    static constexpr const char* kTables = "/proc/net/ip6_tables_names";
};

// Zero where the table ends before it.
template <typename T>
T read_at(const std::vector<char>& table, std::size_t offset) {
    T value{};
    if (offset <= table.size() && sizeof(T) <= table.size() - offset) {
        std::memcpy(&value, table.data() + offset, sizeof(T));
    }
    return value;
}

template <std::size_t N>
std::string text_of(const char (&name)[N]) {
    return {name, strnlen(name, N)};
}

template <typename Family>
std::vector<NetfilterChain> chains_of(const typename Family::Info& info, const std::vector<char>& table) {
    const std::string name = text_of(info.name);
    std::vector<NetfilterChain> chains;
    if ((info.valid_hooks & 1U << NF_INET_FORWARD) != 0) {
        const std::size_t policy = info.underflow[NF_INET_FORWARD];
        const auto entry = read_at<typename Family::Entry>(table, policy);
        const auto target = read_at<xt_standard_target>(table, policy + entry.target_offset);
        chains.push_back({.table = name,
                          .name = "FORWARD",
                          .filters_forwarded = name == "filter",
                          .drops_unless_told = target.verdict == kDropVerdict,
                          .is_legacy = true});
    }
    for (std::size_t offset = 0; offset < table.size();) {
        const auto entry = read_at<typename Family::Entry>(table, offset);
        if (entry.next_offset == 0) {
            break;
        }
        const auto target = read_at<xt_error_target>(table, offset + entry.target_offset);
        const std::string chain = text_of(target.errorname);
        if (text_of(target.target.u.user.name) == XT_ERROR_TARGET && chain != XT_ERROR_TARGET) {  // so ends the table
            chains.push_back({.table = name, .name = chain, .is_legacy = true});
        }
        offset += entry.next_offset;
    }
    return chains;
}

// 0 or errno.
template <typename Family>
int read_table(int socket, const std::string& name, std::vector<NetfilterChain>& chains) {
    int error = 0;
    for (int attempt = 0; attempt < kAttempts; attempt++) {
        typename Family::Info info{};
        name.copy(info.name, sizeof(info.name) - 1);
        socklen_t length = sizeof(info);
        if (getsockopt(socket, Family::kLevel, Family::kGetInfo, &info, &length) != 0) {
            return errno;
        }
        constexpr std::size_t kHead = offsetof(typename Family::Entries, entrytable);
        std::vector<char> answer(kHead + info.size);
        typename Family::Entries head{};
        name.copy(head.name, sizeof(head.name) - 1);
        head.size = info.size;
        std::memcpy(answer.data(), &head, kHead);
        length = static_cast<socklen_t>(answer.size());
        if (getsockopt(socket, Family::kLevel, Family::kGetEntries, answer.data(), &length) == 0) {
            answer.erase(answer.begin(), answer.begin() + kHead);
            const auto found = chains_of<Family>(info, answer);
            chains.insert(chains.end(), found.begin(), found.end());
            return 0;
        }
        error = errno;
        if (error != EAGAIN) {
            break;
        }
    }
    return error;
}

template <typename Family>
std::optional<Error> read_family(const Machine& machine, std::vector<NetfilterChain>& chains) {
    std::istringstream tables(machine.text(Family::kTables).value_or(""));
    const Fd socket(::socket(Family::kFamily, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (std::string name; tables >> name;) {
        if (const int error = read_table<Family>(socket.get(), name, chains); error != 0) {
            return failure_errno("read", "table " + name + " of legacy iptables", error).error();
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::vector<NetfilterChain>> read_legacy_chains(const Machine& machine) {
    std::vector<NetfilterChain> chains;
    auto error = read_family<Ipv4>(machine, chains);
    if (!error) {
        error = read_family<Ipv6>(machine, chains);
    }
    if (error) {
        return std::unexpected(*error);
    }
    return chains;
}

}  // namespace shunt
