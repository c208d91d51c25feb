// SPDX-License-Identifier: Apache-2.0
#include "agent/report/pinned_maps.h"

#include "agent/datapath/pin_directory.h"
#include "agent/plan/service_key.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstring>

#include "maps/control.h"

namespace shunt {
namespace {

Error cannot_open(const std::string& pin_dir, const std::string& name, int error) {
    if (error == EACCES || error == EPERM) {
        return {"read", pin_dir, std::string(std::strerror(error)) + ": run as root"};
    }
    if (error == ENOENT && name == kPinnedMapNames[0]) {
        return {"read", pin_dir,
                "nothing is pinned there: is bpffs mounted, has `shunt agent` run on this node, is it another --pin-dir?"};
    }
    if (error == ENOENT) {
        return {"read", pin_dir + '/' + name, "it is missing: start the agent, it makes what is not there"};
    }
    return {"open", pin_dir + '/' + name, std::strerror(error)};
}

template <typename Key, typename Value>
Result<std::map<Key, Value>> read_all(int map, const char* name) {
    std::map<Key, Value> entries;
    auto walked = walk_map<Key, Value>(map, name, 1, [&](const Key& key, const Value* value) { entries[key] = *value; });
    if (!walked) {
        return std::unexpected(walked.error());
    }
    return entries;
}

}  // namespace

Result<PinnedMaps> PinnedMaps::open(const std::string& pin_dir) {
    const auto abi = pinned_abi(pin_dir);
    if (!abi) {
        return std::unexpected(abi.error());
    }
    if (*abi != SHUNT_ABI && *abi != 0) {
        return failure("read maps of", pin_dir,
                       "they have ABI " + std::to_string(*abi) + ", this shunt knows " + std::to_string(SHUNT_ABI) +
                           ": use the binary of the agent that made them; `shunt detach` works with any");
    }
    PinnedMaps maps(pin_dir);
    for (const char* name : kPinnedMapNames) {
        Fd map(bpf_obj_get((pin_dir + '/' + name).c_str()));
        if (!map) {
            return std::unexpected(cannot_open(pin_dir, name, errno));
        }
        maps.maps_.emplace(name, std::move(map));
    }
    return maps;
}

Result<agent_state> PinnedMaps::agent() const {
    agent_state state{};
    const std::uint32_t zero = 0;
    if (bpf_map_lookup_elem(fd("agent_state"), &zero, &state) != 0) {
        return failure_errno("read", pin_dir_ + "/agent_state");
    }
    return state;
}

Result<std::map<std::uint32_t, service>> PinnedMaps::services() const {
    return read_all<std::uint32_t, service>(fd("services"), "services");
}

Result<std::vector<std::pair<frontend_key, frontend>>> PinnedMaps::frontends() const {
    std::vector<std::pair<frontend_key, frontend>> entries;
    auto walked = walk_map<frontend_key, frontend>(
        fd("frontends"), "frontends", 1,
        [&](const frontend_key& key, const frontend* value) { entries.emplace_back(key, *value); });
    if (!walked) {
        return std::unexpected(walked.error());
    }
    return entries;
}

Result<std::map<std::uint32_t, backend>> PinnedMaps::backends() const {
    return read_all<std::uint32_t, backend>(fd("backends"), "backends");
}

Result<std::map<std::uint32_t, std::vector<IpPrefix>>> PinnedMaps::source_ranges() const {
    std::map<std::uint32_t, std::vector<IpPrefix>> ranges;
    auto walked = walk_map<source_range_key, source_range>(
        fd("source_ranges"), "source_ranges", 1,
        [&](const source_range_key& key, const source_range*) { ranges[key.service].push_back(prefix_of(key)); });
    if (!walked) {
        return std::unexpected(walked.error());
    }
    return ranges;
}

Result<std::map<std::uint32_t, device>> PinnedMaps::devices() const {
    return read_all<std::uint32_t, device>(fd("devices"), "devices");
}

Result<std::array<std::uint64_t, EVENT_COUNT>> PinnedMaps::events() const {
    std::array<std::uint64_t, EVENT_COUNT> sums{};
    std::vector<std::array<std::uint64_t, EVENT_COUNT>> per_cpu(libbpf_num_possible_cpus());
    const std::uint32_t zero = 0;
    if (bpf_map_lookup_elem(fd("counters"), &zero, per_cpu.data()) != 0) {
        return failure_errno("read", pin_dir_ + "/counters");
    }
    for (const auto& counts : per_cpu) {
        for (std::size_t event = 0; event < EVENT_COUNT; event++) {
            sums[event] += counts[event];
        }
    }
    return sums;
}

Result<std::map<std::uint32_t, service_counters>> PinnedMaps::service_counts() const {
    std::map<std::uint32_t, service_counters> sums;
    const std::size_t cpus = libbpf_num_possible_cpus();
    auto walked = walk_map<std::uint32_t, service_counters>(
        fd("service_counters"), "service_counters", cpus, [&](std::uint32_t id, const service_counters* per_cpu) {
            service_counters& sum = sums[id];
            for (std::size_t cpu = 0; cpu < cpus; cpu++) {
                sum.flows_opened += per_cpu[cpu].flows_opened;
                sum.drops += per_cpu[cpu].drops;
                sum.rescued += per_cpu[cpu].rescued;
                sum.skipped += per_cpu[cpu].skipped;
            }
        });
    if (!walked) {
        return std::unexpected(walked.error());
    }
    return sums;
}

Result<FlowTables> PinnedMaps::flows() const {
    return FlowTables::open({.flows4 = fd("flows4"), .flows6 = fd("flows6"), .control = fd("flow_control")});
}

Result<Mapping> PinnedMaps::slots() const {
    bpf_map_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd("slots"), &info, &length) != 0) {
        return failure_errno("inspect", pin_dir_ + "/slots");
    }
    return Mapping::open(fd("slots"), std::size_t{info.max_entries} * info.value_size, PROT_READ, "slots");
}

Result<std::uint32_t> PinnedMaps::max_flows() const {
    bpf_map_info info{};
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd("flows4"), &info, &length) != 0) {
        return failure_errno("inspect", pin_dir_ + "/flows4");
    }
    return flows_of_blocks(info.max_entries);
}

}  // namespace shunt
