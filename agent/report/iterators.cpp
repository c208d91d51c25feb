// SPDX-License-Identifier: Apache-2.0
#include "agent/report/iterators.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string_view>

#include "agent/datapath/order.h"
#include "agent/datapath/pin_directory.h"
#include "show.skel.h"

namespace shunt {
namespace {

// What the programs walk; the other maps of bpf/maps.h are declared, and not used.
constexpr const char* kShown[] = {"services", "frontends", "backends", "flows4", "flows6", "flow_control", "counters"};

// The maps of the node, in place of new ones.
Status take_pinned_maps(bpf_object* object, const std::string& pin_dir) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        if (bpf_map__is_internal(map)) {
            continue;
        }
        const std::string path = pin_dir + '/' + bpf_map__name(map);
        if (std::ranges::find(kShown, std::string_view(bpf_map__name(map))) == std::end(kShown)) {
            bpf_map__set_autocreate(map, false);
            continue;
        }
        const Fd pinned(bpf_obj_get(path.c_str()));
        if (!pinned) {
            return failure_errno("open pinned map", path);
        }
        if (int error = bpf_map__reuse_fd(map, pinned.get()); error != 0) {
            return failure_errno("use pinned map", path, error);
        }
    }
    return {};
}

Status pin_iterator(const bpf_program* program, const std::string& path) {
    const std::unique_ptr<bpf_link, decltype(&bpf_link__destroy)> link(bpf_program__attach_iter(program, nullptr),
                                                                      bpf_link__destroy);
    if (!link) {
        return failure_errno("make iterator", path);
    }
    return pin_in_place(bpf_link__fd(link.get()), path);
}

}  // namespace

Status pin_iterators(const std::string& pin_dir) {
    const std::unique_ptr<show_bpf, decltype(&show_bpf__destroy)> skeleton(show_bpf__open(), show_bpf__destroy);
    if (!skeleton) {
        return failure_errno("open programs of", pin_dir + "/show");
    }
    skeleton->rodata->strongly_ordered = kStronglyOrdered;
    skeleton->rodata->possible_cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
    if (auto taken = take_pinned_maps(skeleton->obj, pin_dir); !taken) {
        return taken;
    }
    if (int error = show_bpf__load(skeleton.get()); error != 0) {
        return failure("load programs of", pin_dir + "/show",
                       std::string(std::strerror(-error)) + " (only cat(1) misses them: the shunt commands read the maps)");
    }
    std::error_code ignored;  // then pinning fails, and says why
    std::filesystem::create_directories(pin_dir + "/show", ignored);
    const std::pair<const char*, const bpf_program*> shown[] = {
        {"services", skeleton->progs.show_services}, {"frontends", skeleton->progs.show_frontends},
        {"backends", skeleton->progs.show_backends}, {"flows4", skeleton->progs.show_flows4},
        {"flows6", skeleton->progs.show_flows6},     {"counters", skeleton->progs.show_counters}};
    for (const auto& [name, program] : shown) {
        if (auto pinned = pin_iterator(program, pin_dir + "/show/" + name); !pinned) {
            return pinned;
        }
    }
    return {};
}

}  // namespace shunt
