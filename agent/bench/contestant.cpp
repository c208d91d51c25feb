// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/contestant.h"

#include <bpf/bpf.h>

#include <map>
#include <utility>

#include "agent/datapath/flow_table.h"
#include "agent/datapath/flow_upkeep.h"
#include "agent/datapath/kernel.h"
#include "agent/datapath/order.h"
#include "agent/support/mapping.h"

#include "forward.skel.h"

namespace shunt::bench {
namespace {

void set_max_entries(bpf_object& object, const char* map, std::uint32_t entries) {
    if (bpf_map* found = bpf_object__find_map_by_name(&object, map); found != nullptr) {
        bpf_map__set_max_entries(found, entries);
    }
}

void size_own(bpf_object& object, const Room& room) {
    set_max_entries(object, "flows4", flow_blocks(room.family == IPV4 ? room.max_flows : 1));
    set_max_entries(object, "flows6", flow_blocks(room.family == IPV6 ? room.max_flows : 1));
    set_constants(object);
}

// Upkeep of the objects that are loaded, by the id of their flow_control.
using Upkeeps = std::map<std::uint32_t, FlowUpkeep>;

int map_of(bpf_object& object, const std::string& name) {
    return bpf_object__find_map_fd_by_name(&object, name.c_str());
}

std::uint32_t id_of(int map) {
    bpf_map_info info{};
    __u32 length = sizeof(info);
    return bpf_obj_get_info_by_fd(map, &info, &length) == 0 ? info.id : 0;
}

// Where a hypervisor keeps page tables of its own, the first access to a page costs microseconds, and every measurement of new
// flows would be one of that. So upkeep looks once at every block, as if all were in use.
Status touch_all_blocks(const FlowMaps& maps, const FlowUpkeep& upkeep) {
    auto mapping = Mapping::open(maps.control, 2 * sizeof(flow_control), PROT_READ | PROT_WRITE, "flow_control");
    if (!mapping) {
        return std::unexpected(mapping.error());
    }
    auto* control = static_cast<flow_control*>(mapping->data());
    const std::uint64_t shapes[] = {control[0].shape, control[1].shape};
    for (int i = 0; i < 2; i++) {
        control[i].shape = std::uint64_t{control[i].max_mask} << 32 | control[i].max_mask;
    }
    while (control[0].passes == 0 || control[1].passes == 0) {
        if (auto settled = upkeep.settle(); !settled) {
            return settled;
        }
    }
    for (int i = 0; i < 2; i++) {
        control[i].shape = shapes[i];
        control[i].cursor = 0;
    }
    return {};
}

Status prepare_own(bpf_object& object, Upkeeps& upkeeps) {
    const FlowMaps maps{map_of(object, "flows4"), map_of(object, "flows6"), map_of(object, "flow_control")};
    if (auto prepared = prepare_flow_tables(maps); !prepared) {
        return prepared;
    }
    auto upkeep = FlowUpkeep::load([&](const std::string& name) { return map_of(object, name); });
    if (!upkeep) {
        return std::unexpected(upkeep.error());
    }
    if (auto touched = touch_all_blocks(maps, *upkeep); !touched) {
        return touched;
    }
    upkeeps.insert_or_assign(id_of(maps.control), *std::move(upkeep));
    return {};
}

}  // namespace

void set_constants(bpf_object& object) {
    bpf_map* map = bpf_object__find_map_by_name(&object, ".rodata");
    std::size_t length = 0;
    const void* before = bpf_map__initial_value(map, &length);
    auto constants = *static_cast<decltype(forward_bpf::rodata)>(const_cast<void*>(before));
    constants.fib_lookup_source_flag = fib_lookup_source_flag();
    constants.strongly_ordered = kStronglyOrdered;
    bpf_map__set_initial_value(map, &constants, length);
}

Result<Object> load_object(const std::string& name, const void* bytes, std::size_t length,
                           const std::function<void(bpf_object& object)>& size) {
    send_libbpf_to_log();
    Object object(bpf_object__open_mem(bytes, length, nullptr));
    if (!object) {
        return failure_errno("open programs", name);
    }
    set_max_entries(*object, "slots", 4096);
    for (const char* map : {"frontends", "services", "service_counters", "backends", "devices"}) {
        set_max_entries(*object, map, 1024);
    }
    // What no path goes through need not be verified, which takes longer than all the rest.
    if (bpf_program* unused = bpf_object__find_program_by_name(object.get(), "tc_ingress_after_xdp");
        unused != nullptr) {
        bpf_program__set_autoload(unused, false);
    }
    if (bpf_program* slow = bpf_object__find_program_by_name(object.get(), "xdp_slow"); slow != nullptr) {
        bpf_program__set_flags(slow, BPF_F_XDP_HAS_FRAGS);
    }
    size(*object);
    if (const int error = bpf_object__load(object.get()); error != 0) {
        return failure_errno("load programs", name, error);
    }
    return object;
}

Contestant other_programs(std::string name, std::string object) {
    const auto upkeeps = std::make_shared<Upkeeps>();
    return {.name = name,
            .load = [upkeeps, name, bytes = std::move(object)](const Room& room) -> Result<Object> {
                auto loaded = load_object(name, bytes.data(), bytes.size(), [&](bpf_object& it) { size_own(it, room); });
                if (loaded) {
                    if (auto prepared = prepare_own(**loaded, *upkeeps); !prepared) {
                        return std::unexpected(prepared.error());
                    }
                }
                return loaded;
            },
            .tend = [upkeeps](bpf_object& loaded) {
                return upkeeps->at(id_of(map_of(loaded, "flow_control"))).settle();
            }};
}

Contestant own_programs() {
    std::size_t length = 0;
    const auto* bytes = static_cast<const char*>(forward_bpf::elf_bytes(&length));
    return other_programs("shunt", std::string(bytes, length));
}

Contestant sized_to_the_load(Contestant contestant, std::string name) {
    contestant.name = std::move(name);
    contestant.load = [load = std::move(contestant.load)](const Room& room) {
        return load({.family = room.family, .flows = room.flows, .max_flows = room.flows});
    };
    return contestant;
}

}  // namespace shunt::bench
