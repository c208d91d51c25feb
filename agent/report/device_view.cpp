// SPDX-License-Identifier: Apache-2.0
#include "agent/report/device_view.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "agent/datapath/pin_directory.h"
#include "agent/datapath/xdp_chain.h"
#include "agent/report/words.h"

namespace shunt {
namespace {

constexpr std::uint32_t kFilterHandle = 1;
constexpr std::uint32_t kFilterPreference = 1;
constexpr const char* kNextStep = "; restart the agent, it attaches again";

std::optional<std::uint32_t> program_id(const std::string& pin) {
    const Fd program(bpf_obj_get(pin.c_str()));
    bpf_prog_info info{};
    __u32 length = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) {
        return std::nullopt;
    }
    return info.id;
}

// The ids of the pinned programs that may stand at a hook.
std::vector<std::uint32_t> expected_programs(const PinnedMaps& maps, std::initializer_list<const char*> names) {
    std::vector<std::uint32_t> ids;
    for (const char* name : names) {
        if (const auto id = program_id(maps.pin_dir() + "/programs/" + name)) {
            ids.push_back(*id);
        }
    }
    return ids;
}

std::string judge_program(std::uint32_t id, const std::vector<std::uint32_t>& expected) {
    if (std::ranges::find(expected, id) != expected.end()) {
        return "";
    }
    return "runs program id " + std::to_string(id) + ", which is not the agent's (bpftool prog show id " +
           std::to_string(id) + ")";
}

// Empty if the pinned link is on the device and runs one of `expected`, else what is wrong.
std::string judge_link(const std::string& pin, std::uint32_t ifindex, const std::vector<std::uint32_t>& expected) {
    const Fd link(bpf_obj_get(pin.c_str()));
    if (!link) {
        return "its link is not pinned any more";
    }
    bpf_link_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(link.get(), &info, &length) != 0) {
        return "its link cannot be inspected";
    }
    // XDP and tcx links both begin with the ifindex; 0: the device was removed.
    if (info.xdp.ifindex != ifindex) {
        return "its link is not on the device any more: the device was removed";
    }
    return judge_program(info.prog_id, expected);
}

std::string judge_clsact(std::uint32_t ifindex, bool ingress, const std::vector<std::uint32_t>& expected) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(ifindex),
                .attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
    LIBBPF_OPTS(bpf_tc_opts, filter, .handle = kFilterHandle, .priority = kFilterPreference);
    if (bpf_tc_query(&hook, &filter) != 0) {
        return "its filter is gone";
    }
    return judge_program(filter.prog_id, expected);
}

}  // namespace

Result<std::vector<DeviceRow>> read_devices(const PinnedMaps& maps) {
    const auto devices = maps.devices();
    if (!devices) {
        return std::unexpected(devices.error());
    }
    const auto xdp = expected_programs(maps, {"xdp_ingress"});
    const auto ingress = expected_programs(maps, {"tc_ingress", "tc_ingress_after_xdp"});
    const auto egress = expected_programs(maps, {"tc_egress"});
    std::vector<DeviceRow> rows;
    for (const auto& [ifindex, value] : *devices) {
        DeviceRow row{.ifindex = ifindex,
                      .name = text_of(value.name),
                      .xdp = "-",
                      .tc = "",
                      .tc_kind = value.tc == TC_CLSACT ? "clsact" : "tcx",
                      .mtu = value.mtu,
                      .note = text_of(value.note),
                      .problems = {}};
        const auto check = [&](const char* what, const std::string& wrong) {
            if (!wrong.empty()) {
                row.problems.push_back(row.name + ": " + what + ": " + wrong + kNextStep);
            }
            return wrong.empty();
        };
        const auto judge_tc = [&](const char* hook, bool is_ingress, const std::vector<std::uint32_t>& expected) {
            return value.tc == TC_CLSACT
                       ? judge_clsact(ifindex, is_ingress, expected)
                       : judge_link(link_pin(maps.pin_dir(), hook, static_cast<int>(ifindex)), ifindex, expected);
        };
        if (value.xdp == XDP_NATIVE) {
            const std::string wrong = judge_link(link_pin(maps.pin_dir(), "xdp", static_cast<int>(ifindex)), ifindex, xdp);
            row.xdp = check("XDP", wrong) ? "native,frags" : "gone";
        }
        if (value.xdp == XDP_CHAIN) {
            const bool is_in = is_in_chain(maps.pin_dir(), static_cast<int>(ifindex));
            row.xdp = check("XDP", is_in ? "" : "its program is not in the device's XDP chain any more") ? "chain" : "gone";
        }
        const bool in = check("tc ingress", judge_tc("tc_ingress", true, ingress));
        const bool out = check("tc egress", judge_tc("tc_egress", false, egress));
        row.tc = in && out ? "in,out" : in ? "in" : out ? "out" : "gone";
        rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace shunt
