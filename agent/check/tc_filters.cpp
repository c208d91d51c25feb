// SPDX-License-Identifier: Apache-2.0
#include "agent/check/tc_filters.h"

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <map>
#include <utility>

#include "agent/network/netlink.h"

namespace shunt {
namespace {

// libbpf names a filter PROGRAM:[ID].
constexpr std::string_view kOurPrograms[] = {"tc_ingress", "tc_egress"};

}  // namespace

bool TcFilter::is_ours() const {
    return kind == "bpf" && (name.starts_with(kOurPrograms[0]) || name.starts_with(kOurPrograms[1]));
}

Result<std::vector<TcFilter>> read_tc_filters(unsigned ifindex) {
    auto netlink = Netlink::open();
    if (!netlink) {
        return std::unexpected(netlink.error());
    }
    // By hook and preference. Several with one preference are of one kind, and a torn dump shows some twice.
    std::map<std::pair<bool, std::uint32_t>, TcFilter> filters;
    for (const bool ingress : {true, false}) {
        NetlinkRequest request(RTM_GETTFILTER, 0);
        auto& question = request.body<tcmsg>();
        question.tcm_family = AF_UNSPEC;
        question.tcm_ifindex = static_cast<int>(ifindex);
        question.tcm_parent = TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
        const int error = netlink->dump(request, [&](const nlmsghdr& message) {
            const auto* header = static_cast<const tcmsg*>(mnl_nlmsg_get_payload(&message));
            if (message.nlmsg_type != RTM_NEWTFILTER || header->tcm_handle == 0) {
                return;  // 0: the head of its preference, no filter
            }
            const Attributes attributes = parse_attributes(message, sizeof(tcmsg), TCA_MAX);
            TcFilter filter{
                .kind = string_of(attributes[TCA_KIND]), .name = "", .ingress = ingress, .preference = TC_H_MAJ(header->tcm_info) >> 16};
            if (filter.kind == "bpf" && attributes[TCA_OPTIONS] != nullptr) {
                filter.name = string_of(parse_nested(*attributes[TCA_OPTIONS], TCA_BPF_MAX)[TCA_BPF_NAME]);
            }
            filters.try_emplace({!ingress, filter.preference}, filter);
        });
        if (error != 0 && error != EINVAL) {  // EINVAL: no qdisc that has such a hook
            return failure("read", "the tc filters of device " + std::to_string(ifindex), netlink->reason());
        }
    }
    std::vector<TcFilter> list;
    for (const auto& [place, filter] : filters) {
        list.push_back(filter);
    }
    return list;
}

}  // namespace shunt
