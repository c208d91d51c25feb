// SPDX-License-Identifier: Apache-2.0
#include "agent/check/netfilter_chains.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <map>
#include <utility>

#include "agent/network/netlink.h"

namespace shunt {
namespace {

NetfilterChain chain_of(const nlmsghdr& message) {
    const Attributes attributes = parse_attributes(message, sizeof(nfgenmsg), NFTA_CHAIN_MAX);
    NetfilterChain chain{.table = string_of(attributes[NFTA_CHAIN_TABLE]), .name = string_of(attributes[NFTA_CHAIN_NAME])};
    if (attributes[NFTA_CHAIN_HOOK] != nullptr) {
        const Attributes hook = parse_nested(*attributes[NFTA_CHAIN_HOOK], NFTA_HOOK_MAX);
        chain.filters_forwarded =
            ntohl(u32_of(hook[NFTA_HOOK_HOOKNUM])) == NF_INET_FORWARD && string_of(attributes[NFTA_CHAIN_TYPE]) == "filter";
        chain.drops_unless_told = attributes[NFTA_CHAIN_POLICY] != nullptr && ntohl(u32_of(attributes[NFTA_CHAIN_POLICY])) == NF_DROP;
    }
    return chain;
}

}  // namespace

Result<std::vector<NetfilterChain>> read_netfilter_chains() {
    auto netlink = Netlink::open(NETLINK_NETFILTER);
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    NetlinkRequest request(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, 0);
    request.body<nfgenmsg>().nfgen_family = AF_UNSPEC;
    // By family and names: a torn dump shows some twice.
    std::map<std::pair<int, std::pair<std::string, std::string>>, NetfilterChain> chains;
    const int error = netlink->dump(request, [&chains](const nlmsghdr& message) {
        const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message));
        NetfilterChain chain = chain_of(message);
        chains[{header->nfgen_family, {chain.table, chain.name}}] = chain;
    });
    if (error != 0) {
        return failure("read", "the chains of nf_tables", netlink->reason());
    }
    std::vector<NetfilterChain> list;
    for (auto& [key, chain] : chains) {
        list.push_back(std::move(chain));
    }
    return list;
}

}  // namespace shunt
