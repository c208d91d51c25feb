// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/datapath.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>

#include "agent/bench/scene.h"
#include "agent/report/events.h"
#include "maps/backend.h"
#include "maps/control.h"
#include "maps/device.h"
#include "agent/support/clock.h"
#include "maps/frontend.h"
#include "maps/service.h"
#include "maps/slot.h"

namespace shunt::bench {
namespace {

constexpr std::uint32_t kServed = 1;
constexpr std::uint32_t kEmpty = 2;
constexpr std::uint32_t kSlots = 4 * kRemoteBackends;

}  // namespace

Events operator-(const Events& now, const Events& before) {
    Events difference{};
    std::ranges::transform(now, before, difference.begin(), std::minus());
    return difference;
}

std::string to_string(const Events& events) {
    std::string text;
    for (std::size_t i = 0; i < events.size(); i++) {
        if (events[i] != 0) {
            text += (text.empty() ? "" : ", ") + std::string(event_texts()[i].name) + ' ' + std::to_string(events[i]);
        }
    }
    return text.empty() ? "nothing" : text;
}

Result<Datapath> Datapath::make(const Contestant& contestant, const Room& room, Placement placement,
                                const ScratchNetwork& network) {
    auto object = contestant.load(room);
    if (!object) {
        return std::unexpected(object.error());
    }
    Datapath datapath(*std::move(object), contestant, room.family, network);
    Status made = datapath.put_device();
    if (made) {
        made = datapath.put_backends(placement);
    }
    if (made) {
        made = datapath.put_service(kServed, kFrontendPort, POLICY_CLUSTER);
    }
    if (made) {
        made = datapath.put_service(kEmpty, kEmptyFrontendPort, POLICY_LOCAL);
    }
    if (made) {
        made = datapath.tend();
    }
    if (!made) {
        return std::unexpected(made.error());
    }
    return datapath;
}

Status Datapath::put(const char* map, const void* key, const void* value) const {
    const int fd = bpf_object__find_map_fd_by_name(object_.get(), map);
    if (fd < 0 || bpf_map_update_elem(fd, key, value, BPF_ANY) != 0) {
        return failure_errno("fill scratch map", map);
    }
    return {};
}

Status Datapath::put_device() const {
    device entry{.mtu = 1500, .xdp = XDP_NATIVE, .tc = TC_TCX, .transmit = TRANSMIT_BY_XDP};
    std::strncpy(entry.name, "uplink", sizeof(entry.name) - 1);
    std::copy_n(scene(IPV4).node.octets.begin(), sizeof(entry.ipv4), entry.ipv4);
    std::copy_n(scene(IPV6).node.octets.begin(), sizeof(entry.ipv6), entry.ipv6);
    return put("devices", &network_.uplink, &entry);
}

Status Datapath::put_backends(Placement placement) const {
    const bool local = placement == Placement::local;
    const std::uint32_t number = local ? 1 : kRemoteBackends;
    for (std::uint32_t i = 0; i < number; i++) {
        const IpAddress address = local ? scene(family_).local_backend : scene(family_).remote_backend(i);
        backend entry{.family = family_,
                      .protocol = TCP,
                      .port = kBackendPort,
                      .service = kServed,
                      .placement = local ? BACKEND_LOCAL : BACKEND_REMOTE,
                      .state = BACKEND_READY,
                      .slots = kSlots / number};
        std::ranges::copy(address.octets, entry.address);
        const std::uint32_t id = i + 1;
        if (auto made = put("backends", &id, &entry); !made) {
            return made;
        }
    }
    for (std::uint32_t pair = 0; pair < kSlots / 2; pair++) {
        const slot_pair ids{{2 * pair % number + 1, (2 * pair + 1) % number + 1}};
        if (auto made = put("slots", &pair, &ids); !made) {
            return made;
        }
    }
    return {};
}

Status Datapath::put_service(std::uint32_t id, std::uint16_t port, traffic_policy policy) const {
    const service entry{.service_namespace = "bench",
                        .name = "bench",
                        .family = family_,
                        .protocol = TCP,
                        .type = SERVICE_LOAD_BALANCER,
                        .treatment = SERVED,
                        .port = port,
                        .external_policy = policy,
                        .slice = SERVICE_SLICE(0, kSlots)};
    const std::vector<service_counters> zeros(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    frontend_key key{.family = family_, .protocol = TCP, .port = port};
    std::ranges::copy(scene(family_).frontend.octets, key.address);
    const frontend to{.service = id, .kind = FRONTEND_LOAD_BALANCER};
    Status made = put("service_counters", &id, zeros.data());
    if (made) {
        made = put("services", &id, &entry);
    }
    return made ? put("frontends", &key, &to) : made;
}

Result<int> Datapath::program(const char* name) const {
    const bpf_program* found = bpf_object__find_program_by_name(object_.get(), name);
    if (found == nullptr) {
        return failure("find program", name, contestant_->name + " has none of that name");
    }
    return bpf_program__fd(found);
}

Result<RunOutcome> Datapath::run(Path path, Hook hook, const Bytes& frame) const {
    const auto fd = program(bench::program(path, hook));
    if (!fd) {
        return std::unexpected(fd.error());
    }
    return test_run(*fd, hook, network_.uplink, frame);
}

Result<Events> Datapath::events() const {
    std::vector<Events> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    const std::uint32_t zero = 0;
    const int fd = bpf_object__find_map_fd_by_name(object_.get(), "counters");
    if (fd < 0 || bpf_map_lookup_elem(fd, &zero, per_cpu.data()) != 0) {
        return failure_errno("read scratch map", "counters");
    }
    Events sum{};
    for (const Events& one : per_cpu) {
        std::ranges::transform(sum, one, sum.begin(), std::plus());
    }
    return sum;
}

Status Datapath::tend() const {
    const std::uint32_t zero = 0;
    control entry{};
    const int fd = bpf_object__find_map_fd_by_name(object_.get(), "control");
    if (fd < 0 || bpf_map_lookup_elem(fd, &zero, &entry) != 0) {
        return failure_errno("read scratch map", "control");
    }
    entry.abi = SHUNT_ABI;
    entry.heartbeat = static_cast<std::uint32_t>(monotonic_ns() >> TICK_SHIFT);
    if (auto made = put("control", &zero, &entry); !made) {
        return made;
    }
    return contestant_->tend ? contestant_->tend(*object_) : Status{};
}

}  // namespace shunt::bench
