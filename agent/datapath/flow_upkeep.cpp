// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/flow_upkeep.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <memory>
#include <string>
#include <string_view>

#include "upkeep.skel.h"

#include "agent/datapath/order.h"

namespace shunt {
namespace {

// What the programs use; the other maps of bpf/maps.h are declared, and not used.
bool is_used(std::string_view name) {
    for (const char* used : {"flows4", "flows6", "flow_stripes", "flow_control", "flow_timer", "counters"}) {
        if (name == used) {
            return true;
        }
    }
    return false;
}

Status run_once(int program) {
    char packet[64] = {};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));
    if (bpf_prog_test_run_opts(program, &run) != 0) {
        return failure_errno("start", "flow upkeep");
    }
    return run.retval == 0 ? Status() : failure_errno("start the timer of", "flow upkeep", static_cast<int>(run.retval));
}

}  // namespace

Status start_flow_upkeep(const PinDirectory& pins) {
    const std::unique_ptr<upkeep_bpf, decltype(&upkeep_bpf__destroy)> skeleton(upkeep_bpf__open(), upkeep_bpf__destroy);
    if (!skeleton) {
        return failure_errno("open programs of", "flow upkeep");
    }
    skeleton->rodata->strongly_ordered = kStronglyOrdered;
    bpf_program__set_autoload(skeleton->progs.upkeep_once, false);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
        const std::string name = bpf_map__name(map);
        if (bpf_map__is_internal(map) || name == "scratch") {
            continue;
        }
        if (!is_used(name)) {
            bpf_map__set_autocreate(map, false);
            continue;
        }
        const std::string path = pins.map(name);
        if (const Fd pinned(bpf_obj_get(path.c_str())); pinned) {
            if (int error = bpf_map__reuse_fd(map, pinned.get()); error != 0) {
                return failure_errno("use pinned map", path, error);
            }
        } else if (int error = bpf_map__set_pin_path(map, path.c_str()); error != 0) {
            return failure_errno("set pin path", path, error);
        }
    }
    if (int error = upkeep_bpf__load(skeleton.get()); error != 0) {
        return failure("load programs of", "flow upkeep",
                       std::string(std::strerror(-error)) + " (--log-level debug shows the verifier's words)");
    }
    return run_once(bpf_program__fd(skeleton->progs.upkeep_start));
}

}  // namespace shunt
