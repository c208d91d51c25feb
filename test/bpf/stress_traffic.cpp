// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/stress_traffic.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "test/bpf/flow_table_check.h"
#include "test/bpf/stress.h"
#include "test/packet/frame.h"

#include "stress.skel.h"  // last: it undefines _Static_assert

namespace shunt::test {
namespace {

using namespace packet::actors;
using packet::Address;

const packet::Actor FIRST_CLIENT{"198.51.100.64", "2001:db8:51::40"};

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::abort();
}

stress_address address_of(const packet::Actor& actor) {
    stress_address address{};
    std::memcpy(&address.ipv4, actor.ipv4.octets.data(), 4);
    std::memcpy(address.ipv6, actor.ipv6.octets.data(), 16);
    return address;
}

Address address_after(const packet::Actor& first, int version, unsigned number) {
    Address address = first.address(version);
    address.octets[version == 4 ? 3 : 15] = static_cast<std::uint8_t>(address.octets[version == 4 ? 3 : 15] + number);
    return address;
}

bool is_one_of(const Address& address, const packet::Actor& first, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (address == address_after(first, address.version, i)) {
            return true;
        }
    }
    return false;
}

stress_bpf* load(const Datapath& datapath, const Datapath::Options& options) {
    stress_bpf* skeleton = stress_bpf__open();
    if (!skeleton) {
        give_up("open stress_bpf");
    }
    auto& actors = const_cast<stress_actors&>(reinterpret_cast<const volatile stress_actors&>(skeleton->rodata->actors));
    actors = {.client = address_of(FIRST_CLIENT),
              .local_vip = address_of(vip),
              .remote_vip = address_of(other_vip),
              .local_pod = address_of(a1),
              .remote_pod = address_of(b1),
              .node = address_of(node_a)};
    std::ranges::copy(router.mac.octets, actors.router_mac);
    std::ranges::copy(node_a.mac.octets, actors.node_mac);
    std::ranges::copy(node_b.mac.octets, actors.other_node_mac);
    skeleton->rodata->snat_port_min = options.snat_port_min;
    skeleton->rodata->snat_port_count = options.snat_port_count;
    if (stress_bpf__load(skeleton)) {
        give_up("load stress_bpf");
    }
    const __u32 zero = 0;
    const int xdp = datapath.program_fd(Program::XDP_INGRESS), tc = datapath.program_fd(Program::TC_EGRESS);
    if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.xdp_target), &zero, &xdp, BPF_ANY) ||
        bpf_map_update_elem(bpf_map__fd(skeleton->maps.tc_target), &zero, &tc, BPF_ANY)) {
        give_up("put a program behind stress_bpf");
    }
    return skeleton;
}

std::vector<BackendAt> pods(const packet::Actor& first, int version, unsigned count, bool local) {
    std::vector<BackendAt> backends;
    for (unsigned i = 0; i < count; i++) {
        backends.push_back({address_after(first, version, i), STRESS_POD_PORT, local});
    }
    return backends;
}

}  // namespace

StressTraffic::StressTraffic(Datapath& datapath, const Network& network, const Datapath::Options& options)
    : datapath_(datapath), network_(network), options_(options),
      skeleton_(load(datapath, options), stress_bpf__destroy) {
    for (const int version : {4, 6}) {
        datapath.serve({{vip.address(version), STRESS_PORT, TCP}}, pods(a1, version, STRESS_LOCAL_PODS, true));
        datapath.serve({{other_vip.address(version), STRESS_PORT, TCP}}, pods(b1, version, STRESS_REMOTE_PODS, false));
    }
}

StressTraffic::~StressTraffic() = default;

void StressTraffic::set_clients(unsigned count, bool only_syns) {
    skeleton_->bss->clients_mask = count - 1;
    skeleton_->bss->only_syns = only_syns;
}

StressTraffic::Burst StressTraffic::run(int version, bool at_egress, unsigned repeat) const {
    std::array<std::uint8_t, STRESS_FRAME6_SIZE> in{}, out{};
    const unsigned size = version == 4 ? STRESS_FRAME4_SIZE : STRESS_FRAME6_SIZE;
    const bpf_program* program = at_egress ? (version == 4 ? skeleton_->progs.stress_tc4 : skeleton_->progs.stress_tc6)
                                           : (version == 4 ? skeleton_->progs.stress_xdp4 : skeleton_->progs.stress_xdp6);
    in[12] = version == 4 ? 0x08 : 0x86;  // for tc's skb->protocol
    in[13] = version == 4 ? 0x00 : 0xdd;
    in[14] = version == 4 ? 0x45 : 0x60;
    xdp_md xdp{.data_end = size, .ingress_ifindex = network_.uplink.ifindex};
    __sk_buff skb{};
    skb.ifindex = network_.uplink.ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in.data(), .data_out = out.data(), .data_size_in = size,
                .data_size_out = static_cast<__u32>(out.size()), .repeat = static_cast<int>(repeat));
    if (at_egress) {
        run.ctx_in = &skb;
        run.ctx_size_in = sizeof(skb);
    } else {
        run.ctx_in = &xdp;
        run.ctx_size_in = sizeof(xdp);
    }
    if (bpf_prog_test_run_opts(bpf_program__fd(program), &run)) {
        give_up("run stress_bpf");
    }
    const std::span<const std::uint8_t> frame = std::span(out).first(run.data_size_out);
    const unsigned address_size = version == 4 ? 4 : 16;
    const std::uint8_t* said = out.data() + size - 2 * address_size - 4;
    const packet::View view(frame);
    const Tuple before{Address(version, {said, address_size}), Address(version, {said + address_size, address_size}),
                       unsigned{said[2 * address_size]} << 8 | said[2 * address_size + 1],
                       unsigned{said[2 * address_size + 2]} << 8 | said[2 * address_size + 3]};
    const Tuple after{view.saddr, view.daddr, view.sport, view.dport};
    const bool is_drop = run.retval == (at_egress ? static_cast<__u32>(TC_ACT_SHOT) : static_cast<__u32>(XDP_DROP));
    if (run.retval == (at_egress ? static_cast<__u32>(TC_ACT_STOLEN) : static_cast<__u32>(XDP_ABORTED))) {
        return {.fault = "the program was not reached"};
    }
    if (is_drop || before == after) {
        return {};
    }
    const bool is_sent = !at_egress && run.retval == XDP_TX;
    std::string fault = fault_of_translation(before, after);
    if (fault.empty() && (!view.is_whole || view.ip_checksum == packet::Checksum::WRONG)) {
        fault = "wrong IP checksum";
    }
    if (fault.empty() && view.l4_checksum != packet::Checksum::RIGHT) {
        fault = "wrong L4 checksum";
    }
    if (fault.empty() && view.ttl != (is_sent ? 60 : 61)) {
        fault = "TTL " + std::to_string(view.ttl);
    }
    if (fault.empty() && is_sent && !(view.smac == node_a.mac && view.dmac == (after.dport == STRESS_POD_PORT ? node_b : router).mac)) {
        fault = "another's MAC addresses";
    }
    if (!fault.empty()) {
        fault += ": " + before.saddr.to_string() + " " + std::to_string(before.sport) + " > " + before.daddr.to_string() +
                 " " + std::to_string(before.dport) + " became " + packet::to_string(frame);
    }
    return {.was_forwarded = true, .fault = fault};
}

std::uint32_t StressTraffic::stripe_of_client(const Address& address, unsigned port, const Tuple& dialled) const {
    const auto fill = [&](auto key) {
        std::memcpy(&key.saddr, address.octets.data(), sizeof(key.saddr));
        std::memcpy(&key.daddr, dialled.daddr.octets.data(), sizeof(key.daddr));
        key.sport = htons(static_cast<std::uint16_t>(port));
        key.dport = htons(static_cast<std::uint16_t>(dialled.dport));
        key.protocol = TCP;
        return stripe_of(datapath_.table(address.version), key);
    };
    return address.version == 4 ? fill(flow4_key{}) : fill(flow6_key{});
}

std::string StressTraffic::fault_of_translation(const Tuple& before, const Tuple& after) const {
    const int version = before.saddr.version;
    const auto has_snat_port = [&](unsigned port) { return port - options_.snat_port_min < options_.snat_port_count; };
    const bool from_client = is_one_of(before.saddr, FIRST_CLIENT, STRESS_CLIENT_ADDRESSES);
    if (from_client && before.daddr == vip.address(version)) {
        return is_one_of(after.daddr, a1, STRESS_LOCAL_PODS) && after.dport == STRESS_POD_PORT &&
                       after.saddr == before.saddr && after.sport == before.sport
                   ? "" : "not a request to a pod of this node";
    }
    if (from_client && before.daddr == other_vip.address(version)) {
        if (!is_one_of(after.daddr, b1, STRESS_REMOTE_PODS) || after.dport != STRESS_POD_PORT ||
            after.saddr != node_a.address(version) || !has_snat_port(after.sport)) {
            return "not a request to a pod of another node";
        }
        return stripe_of_client(before.saddr, before.sport, before) == after.sport % 128 ? "" : "a SNAT port of another stripe";
    }
    if (!is_one_of(after.daddr, FIRST_CLIENT, STRESS_CLIENT_ADDRESSES) || after.sport != STRESS_PORT ||
        before.sport != STRESS_POD_PORT) {
        return "not a reply to a client";
    }
    if (is_one_of(before.saddr, a1, STRESS_LOCAL_PODS)) {
        return after.saddr == vip.address(version) && after.daddr == before.daddr && after.dport == before.dport
                   ? "" : "not the reply of a pod of this node";
    }
    if (!is_one_of(before.saddr, b1, STRESS_REMOTE_PODS) || before.daddr != node_a.address(version) ||
        !has_snat_port(before.dport) || after.saddr != other_vip.address(version)) {
        return "not the reply of a pod of another node";
    }
    return stripe_of_client(after.daddr, after.dport, {after.daddr, after.saddr, after.dport, after.sport}) == before.dport % 128
               ? "" : "the reply of another stripe's SNAT port";
}

template <typename Flow>
std::string StressTraffic::fault_of_flow(const Flow& flow) const {
    constexpr int VERSION = sizeof(Flow) == sizeof(flow4) ? 4 : 6;
    const auto address = [](const auto& value) {
        return Address(VERSION, {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)});
    };
    std::string fault = fault_of_entry(flow);
    if (fault.empty()) {
        fault = fault_of_translation(
            {address(flow.key.saddr), address(flow.key.daddr), ntohs(flow.key.sport), ntohs(flow.key.dport)},
            {address(flow.saddr), address(flow.daddr), ntohs(flow.recipe.sport), ntohs(flow.recipe.dport)});
    }
    return fault;
}

std::string StressTraffic::fault_of(const flow4& flow) const { return fault_of_flow(flow); }
std::string StressTraffic::fault_of(const flow6& flow) const { return fault_of_flow(flow); }

}  // namespace shunt::test
