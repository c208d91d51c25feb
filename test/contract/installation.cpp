// SPDX-License-Identifier: Apache-2.0
#include "test/contract/installation.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "agent/model/snapshot_edit.h"

namespace shunt::contract {

namespace {

const std::string NAMESPACE = "contract";

[[noreturn]] void give_up(const std::string& what) {
    std::fprintf(stderr, "%s\n", what.c_str());
    std::abort();
}

IpAddress address_of(const Address& address) {
    IpAddress result{.family = address.version == 4 ? IPV4 : IPV6};
    std::ranges::copy(address.octets, result.octets.begin());
    return result;
}

std::vector<IpAddress> addresses_of(const std::vector<Address>& addresses) {
    std::vector<IpAddress> result;
    std::ranges::transform(addresses, std::back_inserter(result), address_of);
    return result;
}

std::vector<IpPrefix> prefixes_of(const std::vector<Prefix>& prefixes) {
    std::vector<IpPrefix> result;
    for (const Prefix& prefix : prefixes) {
        result.push_back(IpPrefix::parse(prefix.to_string()).value());
    }
    return result;
}

l4_protocol protocol_of(Protocol protocol) {
    return protocol == Protocol::TCP ? TCP : UDP;
}

// The same label for Services and their slices.
std::map<std::string, std::string> labels_of(const Service& service) {
    return service.is_another_proxys ? std::map<std::string, std::string>{{"service.kubernetes.io/service-proxy-name", "other"}}
                                     : std::map<std::string, std::string>{};
}

shunt::Service object_of(const Service& service) {
    shunt::Service object{
        .name = {NAMESPACE, service.name},
        .labels = labels_of(service),
        .type = service.type == Service::Type::LOAD_BALANCER ? ServiceType::load_balancer
                : service.type == Service::Type::NODE_PORT   ? ServiceType::node_port
                                                             : ServiceType::cluster_ip,
        .cluster_ip = service.versions.front() == 4 ? "10.96.0.10" : "2001:db8:96::10",
        .ports = {},
        .external_ips = addresses_of(service.external_ips),
        .ingress_ips = addresses_of(service.ingress_ips),
        .source_ranges = prefixes_of(service.source_ranges),
        .unreadable_source_ranges = {},
        .external_traffic_policy = service.is_local ? TrafficPolicy::local : TrafficPolicy::cluster,
        .affinity_timeout_s = service.affinity_timeout,
    };
    for (const ServicePort& port : service.ports) {
        object.ports.push_back(
            {.name = port.name, .protocol = protocol_of(port.protocol), .port = port.port, .node_port = port.node_port});
    }
    return object;
}

shunt::EndpointSlice object_of(const Service& service, const Slice& slice, const std::string& name) {
    shunt::EndpointSlice object{.name = {NAMESPACE, name},
                                .labels = labels_of(service),
                                .service_name = service.name,
                                .change_trigger_time = {},
                                .family = slice.version == 4 ? IPV4 : IPV6,
                                .endpoints = {},
                                .ports = {}};
    for (const SlicePort& port : slice.ports) {
        object.ports.push_back({.name = port.name, .protocol = protocol_of(port.protocol), .port = port.port});
    }
    for (const Endpoint& endpoint : slice.endpoints) {
        object.endpoints.push_back({.address = address_of(endpoint.address),
                                    .node_name = endpoint.node,
                                    .ready = endpoint.ready,
                                    .serving = endpoint.serving,
                                    .terminating = endpoint.terminating,
                                    .zone_hints = {endpoint.hint_zones.begin(), endpoint.hint_zones.end()},
                                    .node_hints = {endpoint.hint_nodes.begin(), endpoint.hint_nodes.end()}});
    }
    return object;
}

// What there is and `wanted` does not name goes; the rest is put.
Change edit(Snapshot& snapshot, const World& world) {
    Change change;
    put(snapshot, shunt::Node{.name = {.name_space = {}, .name = world.node},
                              .internal_ips = addresses_of(world.internal_ips),
                              .taints = {},
                              .zone = world.zone},
        change);
    std::map<ObjectName, shunt::EndpointSlice> slices;
    for (const auto& [name, service] : world.services) {
        for (std::size_t i = 0; i < service.slices.size(); i++) {
            const auto object = object_of(service, service.slices[i], name + '-' + std::to_string(i));
            slices.emplace(object.name, object);
        }
    }
    const Snapshot before = snapshot;
    for (const auto& [name, service] : before.services) {
        if (!world.services.contains(name.name)) {
            remove_service(snapshot, name, change);
        }
    }
    for (const auto& [name, slice] : before.slices) {
        if (!slices.contains(name)) {
            remove_slice(snapshot, name, change);
        }
    }
    for (const auto& [name, service] : world.services) {
        put(snapshot, object_of(service), change);
    }
    for (const auto& [name, slice] : slices) {
        put(snapshot, slice, change);
    }
    return change;
}

void* map_memory(int fd, std::size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        give_up("mmap");
    }
    return memory;
}

std::uint32_t entries_of(int fd) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) {
        give_up("map information");
    }
    return info.max_entries;
}

constexpr std::size_t CONTROL_SIZE = 4096;

}  // namespace

FlowUpkeep load_upkeep(const test::Datapath& datapath) {
    auto upkeep = FlowUpkeep::load([&](const std::string& name) { return datapath.map_fd(name.c_str()); });
    if (!upkeep) {
        give_up(upkeep.error().message());
    }
    return std::move(*upkeep);
}

Installation::Installation(test::Datapath& datapath, const test::Network& network, const FlowUpkeep& upkeep)
    : datapath_(datapath), upkeep_(upkeep) {
    datapath.reset(network);
    const int slots = datapath.map_fd("slots");
    maps_ = {.services = datapath.map_fd("services"),
             .backends = datapath.map_fd("backends"),
             .frontends = datapath.map_fd("frontends"),
             .service_counters = datapath.map_fd("service_counters"),
             .source_ranges = datapath.map_fd("source_ranges"),
             .control_page = static_cast<control*>(map_memory(datapath.map_fd("control"), CONTROL_SIZE)),
             .slots_size = 2 * entries_of(slots)};
    maps_.slots = static_cast<std::uint32_t*>(map_memory(slots, std::size_t{maps_.slots_size} * 4));
    restart();
}

Installation::~Installation() {
    munmap(maps_.control_page, CONTROL_SIZE);
    munmap(maps_.slots, std::size_t{maps_.slots_size} * 4);
}

void Installation::restart() {
    auto flows = GoneFlows::open({.flows4 = datapath_.map_fd("flows4"),
                                  .flows6 = datapath_.map_fd("flows6"),
                                  .control = datapath_.map_fd("flow_control")},
                                 upkeep_);
    if (!flows) {
        give_up(flows.error().message());
    }
    auto sync = ServiceSync::start(maps_, std::move(*flows));
    if (!sync) {
        give_up(sync.error().message());
    }
    sync_.emplace(std::move(*sync));
}

void Installation::put(const World& world) {
    const Change change = edit(snapshot_, world);
    const auto addresses = addresses_of(world.own_addresses);
    now_ns_ += 2 * SLOT_GRACE_NS;
    PlanOptions options;
    options.node_name = world.node;
    options.prune = true;
    options.node_port_addresses = {.kind = world.node_ports_everywhere      ? NodePortAddresses::Kind::all
                                           : world.node_port_ranges.empty() ? NodePortAddresses::Kind::primary
                                                                            : NodePortAddresses::Kind::prefixes,
                                   .prefixes = prefixes_of(world.node_port_ranges)};
    options.device_addresses = std::set<IpAddress>(addresses.begin(), addresses.end());
    options.cluster_ranges = prefixes_of(world.cluster_ranges);
    options.now_ns = now_ns_;
    const auto done = sync_->sync(snapshot_, change, options);
    if (!done) {
        give_up(done.error().message());
    }
    if (!done->waiting_for.empty()) {
        give_up("the agent waits for " + done->waiting_for);
    }
}

}  // namespace shunt::contract
