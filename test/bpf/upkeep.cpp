// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/upkeep.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "agent/datapath/order.h"

#include "upkeep.skel.h"  // last: it undefines _Static_assert

namespace shunt::test {
namespace {

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::abort();
}

upkeep_bpf* load(const Datapath& datapath) {
    upkeep_bpf* skeleton = upkeep_bpf__open();
    if (!skeleton) {
        give_up("open upkeep_bpf");
    }
    skeleton->rodata->strongly_ordered = kStronglyOrdered;
    bpf_program__set_autoload(skeleton->progs.upkeep_start, false);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
        const std::string_view name = bpf_map__name(map);
        if (bpf_map__is_internal(map) || name == "scratch" || name == "flow_timer") {
            continue;
        }
        if (const int fd = datapath.map_fd(bpf_map__name(map)); bpf_map__reuse_fd(map, fd)) {
            give_up(bpf_map__name(map));
        }
    }
    if (upkeep_bpf__load(skeleton)) {
        give_up("load upkeep_bpf");
    }
    return skeleton;
}

}  // namespace

Upkeep::Upkeep(const Datapath& datapath) : datapath_(datapath), skeleton_(load(datapath), upkeep_bpf__destroy) {}

Upkeep::~Upkeep() = default;

bool Upkeep::once() const {
    char packet[64] = {};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));
    if (bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.upkeep_once), &run)) {
        give_up("run upkeep_once");
    }
    return run.retval != 0;
}

void Upkeep::pass() const {
    const std::uint32_t passes4 = datapath_.table(4).passes, passes6 = datapath_.table(6).passes;
    while (datapath_.table(4).passes - passes4 < 2 || datapath_.table(6).passes - passes6 < 2) {
        once();
    }
}

bool Upkeep::settle() const {
    for (int i = 0; i < 10000; i++) {
        if (!once()) {
            return true;
        }
    }
    return false;
}

}  // namespace shunt::test
