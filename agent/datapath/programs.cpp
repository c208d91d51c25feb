// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "agent/datapath/kernel.h"
#include "agent/datapath/order.h"
#include "agent/support/log.h"
#include "maps/control.h"
#include "maps/slot.h"

#include "forward.skel.h"  // last: it undefines _Static_assert
#include "forward_beside.skel.h"

namespace shunt {
namespace {

// scratch holds nothing between packets, and names with a dot are libbpf's own (.rodata).
bool is_pinned(const bpf_map* map) {
    const std::string name = bpf_map__name(map);
    return name != "scratch" && name.find('.') == std::string::npos;
}

// bpf/forward.bpf.c, or the same with the question to conntrack: programs and maps have the same names.
forward_bpf* open_programs(bool ask_conntrack) {
    auto* skeleton = static_cast<forward_bpf*>(std::calloc(1, sizeof(forward_bpf)));
    if (skeleton == nullptr || forward_bpf__create_skeleton(skeleton) != 0) {
        std::free(skeleton);
        return nullptr;
    }
    if (ask_conntrack) {
        skeleton->skeleton->data = forward_beside_bpf__elf_bytes(&skeleton->skeleton->data_sz);
    }
    if (bpf_object__open_skeleton(skeleton->skeleton, nullptr) != 0) {
        forward_bpf__destroy(skeleton);
        return nullptr;
    }
    return skeleton;
}

Status check_abi(const PinDirectory& pins) {
    const auto abi = pinned_abi(pins.path());
    if (!abi) {
        return std::unexpected(abi.error());
    }
    if (*abi != SHUNT_ABI && *abi != 0) {
        return failure("take over maps of", pins.path(),
                       "they have ABI " + std::to_string(*abi) + ", this build needs " + std::to_string(SHUNT_ABI) +
                           "; traffic goes on with the old programs. When connections may be lost: "
                           "shunt detach --purge, then start this agent");
    }
    return {};
}

Status take_over_map(const PinDirectory& pins, bpf_map* map) {
    const std::string path = pins.map(bpf_map__name(map));
    Fd fd(bpf_obj_get(path.c_str()));
    if (fd) {
        bpf_map_info info{};
        __u32 length = sizeof(info);
        if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0) {
            return failure_errno("inspect", path);
        }
        // A map keeps the size it was made with; the content is worth more than another size.
        if (info.max_entries != bpf_map__max_entries(map)) {
            log::warn("{} keeps room for {} entries, not {}: it was made so (shunt detach --purge gives it up)", path,
                      info.max_entries, bpf_map__max_entries(map));
            bpf_map__set_max_entries(map, info.max_entries);
        }
        if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
            info.value_size != bpf_map__value_size(map)) {
            return failure("take over", path, "its lay-out is another build's (shunt detach --purge, then start again)");
        }
    }
    if (int error = bpf_map__set_pin_path(map, path.c_str()); error != 0) {
        return failure_errno("set pin path", path, error);
    }
    return {};
}

}  // namespace

Result<Programs> Programs::load(const PinDirectory& pins, const ProgramOptions& options) {
    send_libbpf_to_log();
    if (auto abi = check_abi(pins); !abi) {
        return std::unexpected(abi.error());
    }
    const bool ask_conntrack = conntrack_answers_programs();
    log::info("connections that netfilter translates already {}",
              ask_conntrack ? "stay netfilter's, UDP included"
                            : "stay netfilter's if they are TCP; UDP goes over to shunt (where conntrack is a module, asking it takes "
                              "CAP_SYS_ADMIN)");
    Programs programs(open_programs(ask_conntrack));
    forward_bpf* skeleton = programs.skeleton_;
    if (skeleton == nullptr) {
        return failure_errno("open programs", "");
    }
    skeleton->rodata->snat_port_min = options.snat_port_min;
    skeleton->rodata->snat_port_count = options.snat_port_max - options.snat_port_min + 1;
    skeleton->rodata->fib_lookup_source_flag = fib_lookup_source_flag();
    skeleton->rodata->strongly_ordered = kStronglyOrdered;
    bpf_program__set_flags(skeleton->progs.xdp_slow, BPF_F_XDP_HAS_FRAGS);
    bpf_map__set_max_entries(skeleton->maps.flows4, flow_blocks(options.max_flows));
    bpf_map__set_max_entries(skeleton->maps.flows6, flow_blocks(options.max_flows));

    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj) {
        if (is_pinned(map)) {
            if (auto taken = take_over_map(pins, map); !taken) {
                return std::unexpected(taken.error());
            }
        }
    }
    if (int error = forward_bpf__load(skeleton); error != 0) {
        return failure("load programs", "",
                       std::string(std::strerror(-error)) + " (--log-level debug shows the verifier's words)");
    }
    const std::pair<const char*, int> pinned[] = {{"xdp_ingress", programs.xdp_ingress()},
                                                  {"tc_ingress", programs.tc_ingress()},
                                                  {"tc_ingress_after_xdp", programs.tc_ingress_after_xdp()},
                                                  {"tc_egress", programs.tc_egress()}};
    for (const auto& [name, fd] : pinned) {
        if (auto done = pin_in_place(fd, pins.program(name)); !done) {
            return std::unexpected(done.error());
        }
    }
    if (auto mapped = programs.map_memory(); !mapped) {
        return std::unexpected(mapped.error());
    }
    if (auto prepared = prepare_flow_tables(programs.flow_maps()); !prepared) {
        return std::unexpected(prepared.error());
    }
    auto upkeep = FlowUpkeep::load([&](const std::string& name) { return programs.map(name.c_str()); });
    if (!upkeep) {
        return std::unexpected(upkeep.error());
    }
    if (auto started = upkeep->start(); !started) {
        return std::unexpected(started.error());
    }
    programs.upkeep_ = std::move(*upkeep);
    programs.control_page()->abi = SHUNT_ABI;
    return programs;
}

Status Programs::map_memory() {
    auto control = Mapping::open(map("control"), sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, "control");
    auto slots = Mapping::open(map("slots"), std::size_t{slots_size()} * sizeof(std::uint32_t), PROT_READ | PROT_WRITE, "slots");
    if (!control || !slots) {
        return std::unexpected((control ? slots : control).error());
    }
    control_ = std::move(*control);
    slots_ = std::move(*slots);
    return {};
}

Programs::Programs(Programs&& other) noexcept
    : skeleton_(std::exchange(other.skeleton_, nullptr)),
      control_(std::move(other.control_)),
      slots_(std::move(other.slots_)),
      upkeep_(std::move(other.upkeep_)) {}

Programs& Programs::operator=(Programs&& other) noexcept {
    std::swap(skeleton_, other.skeleton_);
    std::swap(control_, other.control_);
    std::swap(slots_, other.slots_);
    std::swap(upkeep_, other.upkeep_);
    return *this;
}

Programs::~Programs() { forward_bpf__destroy(skeleton_); }

int Programs::xdp_ingress() const { return bpf_program__fd(skeleton_->progs.xdp_ingress); }
int Programs::tc_ingress() const { return bpf_program__fd(skeleton_->progs.tc_ingress); }
int Programs::tc_ingress_after_xdp() const { return bpf_program__fd(skeleton_->progs.tc_ingress_after_xdp); }
int Programs::tc_egress() const { return bpf_program__fd(skeleton_->progs.tc_egress); }

void CloseObject::operator()(bpf_object* object) const { bpf_object__close(object); }

Result<BpfObject> Programs::open_again(const char* name, const std::string& slow_path_pin) const {
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = skeleton_->skeleton->name);
    BpfObject object(bpf_object__open_mem(skeleton_->skeleton->data, skeleton_->skeleton->data_sz, &options));
    if (!object) {
        return failure_errno("open again", name);
    }
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object.get()) {
        const std::string map_name = bpf_map__name(map);
        const bpf_map* loaded = bpf_object__find_map_by_name(skeleton_->obj, map_name.c_str());
        int error = 0;
        if (bpf_map__is_internal(map)) {
            std::size_t size = 0;
            const void* value = bpf_map__initial_value(const_cast<bpf_map*>(loaded), &size);
            error = bpf_map__set_initial_value(map, value, size);
        } else if (bpf_map__type(map) != BPF_MAP_TYPE_PROG_ARRAY) {
            error = bpf_map__reuse_fd(map, bpf_map__fd(loaded));
        } else if (map_name == "xdp_slow_path") {
            error = bpf_map__set_pin_path(map, slow_path_pin.c_str());
        }
        if (error != 0) {
            return failure_errno("use again", bpf_map__name(map), error);
        }
    }
    // The tables of slow programs are filled when the object is loaded, so those are loaded with it.
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object.get()) {
        const std::string_view its_name = bpf_program__name(program);
        bpf_program__set_autoload(program, its_name == name || its_name.find("_slow") != std::string_view::npos);
        if (its_name == "xdp_slow") {
            bpf_program__set_expected_attach_type(program, bpf_attach_type{});
        }
    }
    return object;
}

int Programs::map(const char* name) const { return bpf_object__find_map_fd_by_name(skeleton_->obj, name); }

control* Programs::control_page() const { return static_cast<control*>(control_.data()); }
std::uint32_t* Programs::slots() const { return static_cast<std::uint32_t*>(slots_.data()); }
std::uint32_t Programs::slots_size() const { return 2 * bpf_map__max_entries(skeleton_->maps.slots); }
FlowMaps Programs::flow_maps() const { return {map("flows4"), map("flows6"), map("flow_control")}; }

}  // namespace shunt
