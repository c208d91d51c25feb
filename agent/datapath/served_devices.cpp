// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/served_devices.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstring>

#include "agent/support/log.h"

namespace shunt {
namespace {

// maps/device.h says what is special about veth.
device_transmit transmit(const ExternalDevice& external, const AttachedDevice& attached) {
    const bool turn = attached.xdp != XDP_OFF && external.driver != "veth";
    if (external.xdp_transmit) {
        return turn ? TRANSMIT_BY_XDP : TRANSMIT_BY_XDP_REDIRECT;
    }
    return turn ? TRANSMIT_BY_XDP_TX : TRANSMIT_BY_TC;
}

device describe(const ExternalDevice& external, const AttachedDevice& attached) {
    device value{};
    std::strncpy(value.name, external.name.c_str(), sizeof(value.name) - 1);
    if (external.ipv4) {
        std::memcpy(value.ipv4, external.ipv4->octets.data(), sizeof(value.ipv4));
    }
    if (external.ipv6) {
        std::memcpy(value.ipv6, external.ipv6->octets.data(), sizeof(value.ipv6));
    }
    value.mtu = external.mtu;
    value.xdp = attached.xdp;
    value.tc = attached.tc;
    value.transmit = transmit(external, attached);
    std::strncpy(value.note, attached.note.c_str(), sizeof(value.note) - 1);
    return value;
}

}  // namespace

Status ServedDevices::write_down(const ExternalDevice& external, const AttachedDevice& attached) {
    const device value = describe(external, attached);
    const std::uint32_t key = external.ifindex;
    if (int error = bpf_map_update_elem(programs_.map("devices"), &key, &value, BPF_ANY); error != 0) {
        return failure_errno("describe device", external.name, error);
    }
    return {};
}

Status ServedDevices::serve_one(const ExternalDevice& wanted) {
    const auto ifindex = static_cast<int>(wanted.ifindex);
    if (!wanted.has_link_layer) {
        if (!served_.contains(ifindex)) {
            log::warn("{} has no Ethernet header: it is left to the stack so far", wanted.name);
            served_[ifindex] = wanted;
        }
        return write_down(wanted, {.note = "no Ethernet header: left to the stack"});
    }
    auto attached = attachment_.attach(ifindex, !wanted.is_tunnel);
    if (!attached) {
        Error error = attached.error();
        error.object += " (" + wanted.name + ")";
        return std::unexpected(error);
    }
    if (auto written = write_down(wanted, *attached); !written) {
        return written;
    }
    if (!served_.contains(ifindex)) {
        log::info("{} (ifindex {}): XDP {}, tc {}{}{}", wanted.name, ifindex,
                  attached->xdp == XDP_NATIVE ? "native" : attached->xdp == XDP_CHAIN ? "chain" : "off",
                  attached->tc == TC_TCX ? "tcx" : "clsact",
                  attached->note.empty() ? "" : "; ", attached->note);
    }
    served_[ifindex] = wanted;
    return {};
}

void ServedDevices::forget_others(const std::vector<ExternalDevice>& wanted) {
    for (int ifindex : known_devices(pins_.path())) {
        const bool keep = std::ranges::any_of(
            wanted, [&](const ExternalDevice& device) { return static_cast<int>(device.ifindex) == ifindex; });
        if (keep) {
            continue;
        }
        detach_from_device(pins_.path(), ifindex);
        served_.erase(ifindex);
        log::info("ifindex {} is not external any more: programs taken off", ifindex);
    }
}

Status ServedDevices::serve(const std::vector<ExternalDevice>& wanted) {
    Status first;
    for (const ExternalDevice& device : wanted) {
        if (auto served = serve_one(device); !served && first) {
            first = served;
        }
    }
    forget_others(wanted);
    return first;
}

Status ServedDevices::restore() {
    for (const auto& [ifindex, device] : served_) {
        if (!device.has_link_layer) {
            continue;
        }
        const bool filter_is_missing = attachment_.clsact_is_missing(ifindex);
        if (!filter_is_missing && !attachment_.was_put_out_of_chain(ifindex)) {
            continue;
        }
        log::warn("{}: somebody {}: it is put back", device.name,
                  filter_is_missing ? "removed our tc filter" : "took our program out of the XDP chain");
        if (auto attached = attachment_.attach(ifindex, !device.is_tunnel); !attached) {
            return std::unexpected(attached.error());
        }
    }
    return {};
}

}  // namespace shunt
