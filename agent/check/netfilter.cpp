// SPDX-License-Identifier: Apache-2.0
// Who else decides about packets: kube-proxy, which shunt runs beside, and firewalls.
#include <algorithm>
#include <sstream>

#include "agent/check/check.h"

namespace shunt {
namespace {

constexpr std::uint16_t kKubeProxyHealthPort = 10256;
constexpr std::string_view kListening = "0A";  // state of /proc/net/tcp

bool is_kube_proxys(const NetfilterChain& chain) { return chain.table == "kube-proxy" || chain.name.starts_with("KUBE-SERVICES"); }

std::string firewall_of(const NetfilterChain& chain) {
    return chain.table == "firewalld"        ? "firewalld"
           : chain.name.starts_with("ufw-")  ? "ufw"
           : chain.name.starts_with("cali-") ? "Calico"
                                             : "";
}

// A line of /proc/net/tcp: number, local address and port in hexadecimal, remote ones, state.
bool has_listener(const std::string& table, std::uint16_t port) {
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string number, local, remote, state;
        words >> number >> local >> remote >> state;
        const auto colon = local.find(':');
        if (state == kListening && colon != std::string::npos && std::stoul(local.substr(colon + 1), nullptr, 16) == port) {
            return true;
        }
    }
    return false;
}

Finding judge_kube_proxy(bool has_rules, bool answers) {
    if (has_rules && answers) {
        return {Level::ok, "kube-proxy", "its rules are there and its health port listens: it keeps the ClusterIPs", ""};
    }
    if (has_rules) {
        return {Level::warning, "kube-proxy", "its rules are there, and nobody listens on its health port 10256: leftovers of one that is gone?",
                "start kube-proxy again: shunt does not serve ClusterIPs"};
    }
    return {Level::warning, "kube-proxy",
            answers ? "port 10256 listens, and there are no rules of kube-proxy: nothing takes over when shunt leaves a Service to the stack"
                    : "no sign of it: ClusterIPs, cluster DNS among them, are not shunt's to serve",
            "run kube-proxy beside shunt, unless the CNI serves ClusterIPs itself"};
}

}  // namespace

Findings check_netfilter(const Machine& machine, const Result<std::vector<NetfilterChain>>& nf_tables,
                         const Result<std::vector<NetfilterChain>>& legacy) {
    Findings found;
    std::vector<NetfilterChain> chains;
    for (const auto* read : {&nf_tables, &legacy}) {
        if (!*read) {
            return {{Level::note, "netfilter", read->error().message(), "run the check as root"}};
        }
        chains.insert(chains.end(), (*read)->begin(), (*read)->end());
    }
    const bool answers = has_listener(machine.text("/proc/net/tcp").value_or(""), kKubeProxyHealthPort) ||
                         has_listener(machine.text("/proc/net/tcp6").value_or(""), kKubeProxyHealthPort);
    const bool has_rules = std::ranges::any_of(chains, is_kube_proxys);
    found.push_back(judge_kube_proxy(has_rules, answers));
    std::string firewalls;
    for (const NetfilterChain& chain : chains) {
        if (chain.filters_forwarded && chain.drops_unless_told) {
            const std::string iptables = chain.is_legacy ? "iptables-legacy" : "iptables";
            found.push_back({Level::warning, "netfilter",
                             "chain " + chain.name + " of table " + chain.table + (chain.is_legacy ? " (legacy iptables)" : "") +
                                 " drops what it forwards and does not accept: pods of this node may not be reached",
                             "accept traffic to and from the pods there; with iptables: " + iptables + " -P FORWARD ACCEPT"});
        }
        const std::string firewall = firewall_of(chain);
        if (!firewall.empty() && firewalls.find(firewall) == std::string::npos) {
            firewalls += (firewalls.empty() ? "" : ", ") + firewall;
        }
    }
    if (!firewalls.empty()) {
        found.push_back({Level::note, "netfilter", firewalls + ": its rules do not see what shunt forwards to other nodes",
                         "filter before the node (security group, NLB), or by NetworkPolicy at the pod"});
    }
    return found;
}

}  // namespace shunt
