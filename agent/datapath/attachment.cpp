// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/attachment.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <charconv>
#include <filesystem>

#include "agent/datapath/kernel.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

// Linux 6.6; newer than the headers this builds with.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);
constexpr std::uint32_t kBefore = 1U << 3;  // BPF_F_BEFORE without a relative: the head
constexpr std::uint32_t kLinkTypeTcx = 11;  // BPF_LINK_TYPE_TCX

constexpr std::uint32_t kFilterHandle = 1;
constexpr std::uint32_t kFilterPreference = 1;

// The device a link is on; 0: the device is gone and the link does nothing. Both link kinds have the ifindex first.
std::uint32_t link_device(int link) {
    bpf_link_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(link, &info, &length) != 0) {
        return 0;
    }
    return info.type == BPF_LINK_TYPE_XDP || info.type == kLinkTypeTcx ? info.xdp.ifindex : 0;
}

// The kernel frees an unpinned link some time later; detached it is off at once. Not an error if there is none.
void release_link(const std::string& path) {
    if (const Fd link(bpf_obj_get(path.c_str())); link) {
        bpf_link_detach(link.get());
    }
    unlink(path.c_str());
}

// True if a link was pinned for this device and now runs `program`.
Result<bool> update_pinned_link(const std::string& path, int ifindex, int program) {
    Fd link(bpf_obj_get(path.c_str()));
    if (!link) {
        return false;
    }
    if (link_device(link.get()) != static_cast<std::uint32_t>(ifindex)) {
        unlink(path.c_str());
        return false;
    }
    if (int error = bpf_link_update(link.get(), program, nullptr); error != 0) {
        return failure_errno("replace the program of", path, error);
    }
    return true;
}

Result<int> create_and_pin(const std::string& path, int ifindex, int program, bpf_attach_type type,
                           std::uint32_t flags) {
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
    Fd link(bpf_link_create(program, ifindex, type, &options));
    if (!link) {
        return errno;
    }
    if (auto pinned = pin_in_place(link.get(), path); !pinned) {
        return std::unexpected(pinned.error());
    }
    return 0;
}

std::string xdp_refusal(int ifindex, int error) {
    const std::uint32_t there = xdp_program_on(ifindex);
    if ((error == EBUSY || error == EEXIST) && there != 0) {
        return "XDP is taken by program id " + std::to_string(there) + " (bpftool prog show id " + std::to_string(there) +
               "): tc serves this device";
    }
    if (error == EOPNOTSUPP) {
        return "the driver has no native XDP: tc serves this device";
    }
    return std::string("XDP refused: ") + std::strerror(error) +
           " (MTU or queues: dmesg has the driver's words): tc serves this device";
}

Result<tc_attachment> attach_clsact(int ifindex, bool ingress, int program) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
    if (int error = bpf_tc_hook_create(&hook); error != 0 && error != -EEXIST) {
        return failure_errno("make clsact qdisc on device", std::to_string(ifindex), error);
    }
    LIBBPF_OPTS(bpf_tc_opts, filter, .prog_fd = program, .flags = BPF_TC_F_REPLACE, .handle = kFilterHandle,
                .priority = kFilterPreference);
    if (int error = bpf_tc_attach(&hook, &filter); error != 0) {
        return failure_errno("attach clsact filter to device", std::to_string(ifindex), error);
    }
    return TC_CLSACT;
}

// Is the clsact filter of our place one of ours, by its program's name? The kernel keeps 15 characters of it.
bool clsact_is_ours(const bpf_tc_hook& hook) {
    LIBBPF_OPTS(bpf_tc_opts, query, .handle = kFilterHandle, .priority = kFilterPreference);
    if (bpf_tc_query(&hook, &query) != 0) {
        return false;
    }
    Fd program(bpf_prog_get_fd_by_id(query.prog_id));
    bpf_prog_info info{};
    __u32 length = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) {
        return false;
    }
    const std::string name = info.name;
    return name.rfind("tc_ingress", 0) == 0 || name == "tc_egress";
}

void detach_clsact(int ifindex, bool ingress) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
    if (clsact_is_ours(hook)) {
        LIBBPF_OPTS(bpf_tc_opts, ours, .handle = kFilterHandle, .priority = kFilterPreference);
        bpf_tc_detach(&hook, &ours);
    }
}

}  // namespace

// `note` says why, and what is done instead.
Result<xdp_attachment> Attachment::without_xdp(int ifindex, const std::string& note) const {
    if (options_.mode == AttachMode::xdp) {
        return failure("attach XDP to device", std::to_string(ifindex), note + " is not allowed by --mode xdp");
    }
    return XDP_OFF;
}

Result<xdp_attachment> Attachment::join_chain(int ifindex, std::string& note) {
    // A link of our own, from before --xdp-chain, would keep the dispatcher away. tc serves meanwhile.
    if (const std::string path = pins_.link("xdp", ifindex); access(path.c_str(), F_OK) == 0) {
        if (auto served = attach_tc(ifindex, true, programs_.tc_ingress()); !served) {
            return std::unexpected(served.error());
        }
        release_link(path);
    }
    if (auto joined = chain_.join(ifindex); !joined) {
        note = "no place in the XDP chain: " + joined.error().reason + ": tc serves this device";
        return without_xdp(ifindex, note);
    }
    note = "XDP chain: behind libxdp's dispatcher (xdp-loader status)";
    return XDP_CHAIN;
}

Result<xdp_attachment> Attachment::attach_xdp(int ifindex, std::string& note) {
    const std::string path = pins_.link("xdp", ifindex);
    if (!options_.xdp_chain) {
        auto updated = update_pinned_link(path, ifindex, programs_.xdp_ingress());
        if (!updated) {
            return std::unexpected(updated.error());
        }
        if (*updated) {
            return XDP_NATIVE;
        }
    }
    if (options_.xdp_chain || has_dispatcher(ifindex)) {
        return join_chain(ifindex, note);
    }
    auto error = create_and_pin(path, ifindex, programs_.xdp_ingress(), BPF_XDP, XDP_FLAGS_DRV_MODE);
    if (!error) {
        return std::unexpected(error.error());
    }
    if (*error == 0) {
        return XDP_NATIVE;
    }
    note = xdp_refusal(ifindex, *error);
    return without_xdp(ifindex, note);
}

Result<tc_attachment> Attachment::attach_tc(int ifindex, bool ingress, int program) const {
    const std::string path = pins_.link(ingress ? "tc_ingress" : "tc_egress", ifindex);
    auto updated = update_pinned_link(path, ifindex, program);
    if (!updated) {
        return std::unexpected(updated.error());
    }
    if (*updated) {
        return TC_TCX;
    }
    if (!options_.allow_tcx) {
        return attach_clsact(ifindex, ingress, program);
    }
    auto error = create_and_pin(path, ifindex, program, ingress ? kTcxIngress : kTcxEgress, kBefore);
    if (!error) {
        return std::unexpected(error.error());
    }
    if (*error == 0) {
        return TC_TCX;
    }
    if (*error != EINVAL) {  // a kernel without tcx says EINVAL
        return failure_errno("attach tcx to device", std::to_string(ifindex), *error);
    }
    return attach_clsact(ifindex, ingress, program);
}

Result<AttachedDevice> Attachment::attach(int ifindex, bool allow_xdp) {
    AttachedDevice attached;
    const bool want_xdp = allow_xdp && options_.mode != AttachMode::tc;
    if (!want_xdp) {
        attached.note = allow_xdp ? "--mode tc" : "a tunnel: tc only";
    }

    // Replies first: a request that is forwarded finds its way back prepared.
    auto egress = attach_tc(ifindex, false, programs_.tc_egress());
    if (!egress) {
        return std::unexpected(egress.error());
    }
    attached.tc = *egress;
    if (want_xdp) {
        auto xdp = attach_xdp(ifindex, attached.note);
        if (!xdp) {
            return std::unexpected(xdp.error());
        }
        attached.xdp = *xdp;
    }
    auto ingress = attach_tc(ifindex, true,
                             attached.xdp != XDP_OFF ? programs_.tc_ingress_after_xdp() : programs_.tc_ingress());
    if (!ingress) {
        return std::unexpected(ingress.error());
    }
    // Only once tc has taken over may XDP go.
    if (attached.xdp == XDP_OFF) {
        release_link(pins_.link("xdp", ifindex));
        if (auto left = leave_chain(pins_.path(), ifindex); !left) {
            return std::unexpected(left.error());
        }
    }
    return attached;
}

bool Attachment::clsact_is_missing(int ifindex) const {
    for (bool ingress : {true, false}) {
        LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
        if (access(pins_.link(ingress ? "tc_ingress" : "tc_egress", ifindex).c_str(), F_OK) != 0 &&
            !clsact_is_ours(hook)) {
            return true;
        }
    }
    return false;
}

std::set<int> known_devices(const std::string& pin_directory) {
    std::set<int> devices;
    if (const Fd map(bpf_obj_get((pin_directory + "/devices").c_str())); map) {
        std::uint32_t key = 0;
        for (bool first = true; bpf_map_get_next_key(map.get(), first ? nullptr : &key, &key) == 0; first = false) {
            devices.insert(static_cast<int>(key));
        }
    }
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(pin_directory + "/links", ignored)) {
        const std::string name = entry.path().filename();
        const std::string number = name.substr(name.rfind('_') + 1);
        int ifindex = 0;
        if (std::from_chars(number.data(), number.data() + number.size(), ifindex).ec == std::errc() && ifindex > 0) {
            devices.insert(ifindex);
        }
    }
    return devices;
}

void detach_from_device(const std::string& pin_directory, int ifindex) {
    for (const char* hook : {"xdp", "tc_ingress", "tc_egress"}) {
        release_link(link_pin(pin_directory, hook, ifindex));
    }
    if (auto left = leave_chain(pin_directory, ifindex); !left) {
        log::error("{}", left.error().message());
    }
    detach_clsact(ifindex, true);
    detach_clsact(ifindex, false);
    if (const Fd map(bpf_obj_get((pin_directory + "/devices").c_str())); map) {
        const auto key = static_cast<std::uint32_t>(ifindex);
        bpf_map_delete_elem(map.get(), &key);
    }
}

}  // namespace shunt
