// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/flow_upkeep.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "agent/datapath/order.h"

#include "upkeep.skel.h"

namespace shunt {
namespace {

constexpr int kCallsAtMost = 1 << 20;

template <typename Packet>
Result<std::uint32_t> run(const bpf_program* program, const Packet& packet) {
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = &packet, .data_size_in = sizeof(packet));
    if (bpf_prog_test_run_opts(bpf_program__fd(program), &run) != 0) {
        return failure_errno("run", bpf_program__name(program));
    }
    return run.retval;
}

Result<std::uint32_t> run(const bpf_program* program) {
    const char packet[64] = {};
    return run(program, packet);
}

Status use_map(bpf_map* map, const FlowUpkeep::MapOf& map_of) {
    const std::string name = bpf_map__name(map);
    const bool is_shared = name == "flows4" || name == "flows6" || name == "flow_stripes" || name == "flow_control" ||
                           name == "flow_timer" || name == "counters";
    if (!is_shared) {  // its own, or declared in bpf/maps.h and not used
        bpf_map__set_autocreate(map, name == "scratch" || bpf_map__is_internal(map));
        return {};
    }
    const int error = bpf_map__reuse_fd(map, map_of(name));
    return error == 0 ? Status() : failure_errno("use map", name, error);
}

}  // namespace

FlowUpkeep::FlowUpkeep(upkeep_bpf* skeleton) : skeleton_(skeleton, upkeep_bpf__destroy) {}

Result<FlowUpkeep> FlowUpkeep::load(const MapOf& map_of) {
    FlowUpkeep upkeep(upkeep_bpf__open());
    if (!upkeep.skeleton_) {
        return failure_errno("open programs of", "flow upkeep");
    }
    upkeep.skeleton_->rodata->strongly_ordered = kStronglyOrdered;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, upkeep.skeleton_->obj) {
        if (auto used = use_map(map, map_of); !used) {
            return std::unexpected(used.error());
        }
    }
    if (int error = upkeep_bpf__load(upkeep.skeleton_.get()); error != 0) {
        return failure("load programs of", "flow upkeep",
                       std::string(std::strerror(-error)) + " (--log-level debug shows the verifier's words)");
    }
    return upkeep;
}

Status FlowUpkeep::start() const {
    const auto error = run(skeleton_->progs.upkeep_start);
    if (!error) {
        return std::unexpected(error.error());
    }
    return *error == 0 ? Status() : failure_errno("start the timer of", "flow upkeep", static_cast<int>(*error));
}

Status FlowUpkeep::settle() const {
    for (int i = 0; i < kCallsAtMost; i++) {
        const auto grows = run(skeleton_->progs.upkeep_once);
        if (!grows) {
            return std::unexpected(grows.error());
        }
        if (*grows == 0) {
            return {};
        }
    }
    return failure("settle", "flow tables", "they grow without end");
}

Result<bool> FlowUpkeep::forget(const flow4& request) const {
    return forget(flow_to_forget{.key = {.saddr = {request.key.saddr},
                                         .daddr = {request.key.daddr},
                                         .sport = request.key.sport,
                                         .dport = request.key.dport,
                                         .protocol = request.key.protocol,
                                         .hook = request.key.hook},
                                 .daddr = {request.daddr},
                                 .dport = request.recipe.dport,
                                 .family = IPV4});
}

Result<bool> FlowUpkeep::forget(const flow6& request) const {
    flow_to_forget flow{.key = request.key, .dport = request.recipe.dport, .family = IPV6};
    std::ranges::copy(request.daddr, flow.daddr);
    return forget(flow);
}

Result<bool> FlowUpkeep::forget(const flow_to_forget& flow) const {
    const auto removed = run(skeleton_->progs.flow_forget, flow);
    if (!removed) {
        return std::unexpected(removed.error());
    }
    return *removed == 1;
}

}  // namespace shunt
