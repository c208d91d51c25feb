// SPDX-License-Identifier: Apache-2.0
// Connection tracking: connections to pods of this node go through it, and so does all that kube-proxy serves.
#include "agent/check/check.h"

namespace shunt {
namespace {

constexpr long kLongestIdleOfAnNlb = 6000;  // seconds; AWS lets one set so much
constexpr long kFullPercent = 80;

}  // namespace

Findings check_conntrack(const Machine& machine) {
    const std::string folder = "/proc/sys/net/netfilter/nf_conntrack_";
    const auto most = machine.number(folder + "max");
    if (!most) {
        return {{Level::note, "conntrack", "not loaded: no rule of netfilter tracks connections", ""}};
    }
    Findings found;
    const long now = machine.number(folder + "count").value_or(0);
    if (*most > 0 && now * 100 > *most * kFullPercent) {
        found.push_back({Level::warning, "conntrack",
                         std::to_string(now) + " of " + std::to_string(*most) +
                             " entries are used: when it is full, new connections to pods of this node are dropped",
                         "sysctl -w net.netfilter.nf_conntrack_max=" + std::to_string(*most * 2)});
    }
    const auto established = machine.number(folder + "tcp_timeout_established");
    if (established && *established < kLongestIdleOfAnNlb) {
        found.push_back({Level::warning, "conntrack",
                         "it forgets idle TCP connections after " + std::to_string(*established) +
                             " s: a load balancer may keep them for up to 6000 s",
                         "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=86400"});
    }
    if (found.empty()) {
        found.push_back({Level::ok, "conntrack", std::to_string(now) + " of " + std::to_string(*most) + " entries are used", ""});
    }
    return found;
}

}  // namespace shunt
