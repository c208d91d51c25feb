// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/xdp_chain.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "agent/datapath/kernel.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

// Filters and counters, which have 50 unless they say so, see packets before we send them away.
constexpr unsigned kRunPriority = 80;
constexpr const char* kProgram = "xdp_ingress";
constexpr int kMostPrograms = 10;  // of a dispatcher

using Dispatcher = std::unique_ptr<xdp_multiprog, decltype(&xdp_multiprog__close)>;
using Program = std::unique_ptr<xdp_program, decltype(&xdp_program__close)>;

int log_libxdp(libxdp_print_level level, const char* format, va_list arguments) {
    return level == LIBXDP_DEBUG ? 0 : log_library_words(format, arguments);
}

// Empty if there is none.
Dispatcher dispatcher_of(int ifindex) {
    Dispatcher none(nullptr, xdp_multiprog__close);
    if (xdp_program_on(ifindex) == 0) {
        return none;
    }
    libxdp_set_print(log_libxdp);
    xdp_multiprog* found = xdp_multiprog__get_from_ifindex(ifindex);
    if (libxdp_get_error(found) != 0) {
        return none;
    }
    Dispatcher dispatcher(found, xdp_multiprog__close);
    return xdp_multiprog__is_legacy(found) ? std::move(none) : std::move(dispatcher);
}

// The id of the map that all programs of a pin directory use; 0: there is none.
std::uint32_t control_map(const std::string& pin_directory) {
    const Fd map(bpf_obj_get((pin_directory + "/control").c_str()));
    bpf_map_info info{};
    __u32 length = sizeof(info);
    return map && bpf_obj_get_info_by_fd(map.get(), &info, &length) == 0 ? info.id : 0;
}

bool uses_map(int program, std::uint32_t map) {
    std::vector<std::uint32_t> ids(64);
    bpf_prog_info info{};
    info.nr_map_ids = static_cast<__u32>(ids.size());
    info.map_ids = reinterpret_cast<std::uintptr_t>(ids.data());
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(program, &info, &length) != 0) {
        return false;
    }
    ids.resize(std::min<std::size_t>(info.nr_map_ids, ids.size()));
    return std::ranges::find(ids, map) != ids.end();
}

// The first one of ours in the dispatcher whose id is not `except`; it lives as long as the dispatcher does.
xdp_program* find_ours(const Dispatcher& dispatcher, std::uint32_t map, std::uint32_t except) {
    if (!dispatcher || map == 0) {
        return nullptr;
    }
    xdp_program* program = nullptr;
    while ((program = xdp_multiprog__next_prog(program, dispatcher.get())) != nullptr) {
        if (xdp_program__id(program) != except && uses_map(xdp_program__fd(program), map)) {
            return program;
        }
    }
    return nullptr;
}

bool has_program(const Dispatcher& dispatcher, std::uint32_t id) {
    xdp_program* program = nullptr;
    while (dispatcher && (program = xdp_multiprog__next_prog(program, dispatcher.get())) != nullptr) {
        if (xdp_program__id(program) == id) {
            return true;
        }
    }
    return false;
}

constexpr const char* kNoExtensions = "this kernel loads no EXT programs";

std::string device(int ifindex) { return "ifindex " + std::to_string(ifindex); }

}  // namespace

Status XdpChain::join(int ifindex) {
    if (has_place(ifindex)) {
        return {};
    }
    if (!is_possible_) {  // trying again would put a program on the device and take it off again
        return failure("join the XDP chain of", device(ifindex), kNoExtensions);
    }
    libxdp_set_print(log_libxdp);
    auto unloaded = programs_.open_again(kProgram, pins_.map("xdp_chain_slow_path"));
    if (!unloaded) {
        return std::unexpected(unloaded.error());
    }
    DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = unloaded->get(), .prog_name = kProgram);
    const Program program(xdp_program__create(&options), xdp_program__close);
    if (const long error = libxdp_get_error(program.get()); error != 0) {
        return failure_errno("hand to libxdp", kProgram, static_cast<int>(error));
    }
    xdp_program__set_run_prio(program.get(), kRunPriority);
    if (int error = xdp_program__attach(program.get(), ifindex, XDP_MODE_NATIVE, 0); error != 0) {
        if (error == -EINVAL && !dispatcher_of(ifindex)) {
            // Without extensions libxdp would attach it alone, for which it was not prepared.
            is_possible_ = false;
            return failure("join the XDP chain of", device(ifindex), std::string(kNoExtensions) + ", or not ours");
        }
        return failure_errno("join the XDP chain of", device(ifindex), error);
    }
    const std::uint32_t id = xdp_program__id(program.get());
    if (!has_program(dispatcher_of(ifindex), id)) {
        // libxdp attached it alone, as nobody could join then.
        xdp_program__detach(program.get(), ifindex, XDP_MODE_NATIVE, 0);
        is_possible_ = false;
        return failure("join the XDP chain of", device(ifindex), kNoExtensions);
    }
    places_[ifindex] = {.program = id};
    return leave_chain(pins_.path(), ifindex, id);
}

bool XdpChain::was_put_out(int ifindex) { return places_.contains(ifindex) && !has_place(ifindex); }

// Cheap as long as nobody joins or leaves, for each makes a new dispatcher.
bool XdpChain::has_place(int ifindex) {
    const auto place = places_.find(ifindex);
    if (place == places_.end()) {
        return false;
    }
    const std::uint32_t dispatcher = xdp_program_on(ifindex);
    if (dispatcher != 0 && dispatcher == place->second.dispatcher) {
        return true;
    }
    if (!has_program(dispatcher_of(ifindex), place->second.program)) {
        return false;
    }
    place->second.dispatcher = dispatcher;
    return true;
}

bool has_dispatcher(int ifindex) { return dispatcher_of(ifindex) != nullptr; }

bool is_in_chain(const std::string& pin_directory, int ifindex) {
    return find_ours(dispatcher_of(ifindex), control_map(pin_directory), 0) != nullptr;
}

Status leave_chain(const std::string& pin_directory, int ifindex, std::uint32_t keep) {
    const std::uint32_t map = control_map(pin_directory);
    // Each departure makes a new dispatcher.
    for (int i = 0; i < kMostPrograms; i++) {
        const Dispatcher dispatcher = dispatcher_of(ifindex);
        xdp_program* ours = find_ours(dispatcher, map, keep);
        if (ours == nullptr) {
            return {};
        }
        const xdp_attach_mode mode = xdp_multiprog__attach_mode(dispatcher.get());
        if (int error = xdp_program__detach(ours, ifindex, mode, 0); error != 0) {
            return failure("leave the XDP chain of", device(ifindex),
                           std::string(std::strerror(-error)) + "; by hand: xdp-loader unload DEVICE --id " +
                               std::to_string(xdp_program__id(ours)));
        }
    }
    return {};
}

}  // namespace shunt
