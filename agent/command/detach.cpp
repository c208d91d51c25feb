// SPDX-License-Identifier: Apache-2.0
// `shunt detach`: the node as it was before. Reads no map by its lay-out unless it is this build's, so that it works with
// those of any build.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "agent/command/options.h"
#include "agent/datapath/attachment.h"
#include "agent/datapath/drain.h"
#include "agent/datapath/pin_directory.h"
#include "agent/network/neighbours.h"
#include "agent/report/pinned_maps.h"
#include "agent/support/fd.h"

namespace shunt {
namespace {

constexpr CommandText kText{
    .name = "detach",
    .synopsis = "[--purge] [OPTIONS]",
    .about = "Takes the programs off all devices and unpins them. The maps stay, and with them the flows, for an agent to go on;\n"
             "--purge gives them up. New connections go to kube-proxy; those that shunt carried break while it is off.",
    .example = "shunt detach --purge",
};

std::string device_name(int ifindex) {
    char name[IF_NAMESIZE] = {};
    return if_indextoname(static_cast<unsigned>(ifindex), name) != nullptr ? name : "ifindex " + std::to_string(ifindex);
}

std::string list_of(const std::set<int>& ifindexes) {
    std::string names;
    for (int ifindex : ifindexes) {
        names += (names.empty() ? "" : ", ") + device_name(ifindex);
    }
    return names;
}

Status remove_pins(const std::string& folder) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        if (unlink(entry.path().c_str()) != 0) {
            return failure_errno("unpin", entry.path());
        }
    }
    return {};
}

Status remove_maps(const std::string& pin_dir) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(pin_dir, error)) {
        if (!entry.is_directory() && unlink(entry.path().c_str()) != 0) {
            return failure_errno("unpin", entry.path());
        }
    }
    for (const char* folder : {"/links", "/programs", "/show", ""}) {
        rmdir((pin_dir + folder).c_str());  // what is not ours keeps its folder
    }
    return {};
}

// The next agent begins afresh.
Status end_drain(const std::string& pin_dir) {
    const auto abi = pinned_abi(pin_dir);
    if (!abi || *abi != SHUNT_ABI) {
        return {};
    }
    const auto drain = DrainSwitch::open(pin_dir);
    if (!drain) {
        return std::unexpected(drain.error());
    }
    drain->set(DRAIN_NONE);
    return {};
}

}  // namespace

int detach_command(const Arguments& arguments, const Output& output) {
    CommandOptions options(kText);
    options.options().add_options()("purge", "also the maps: flows and counters are gone")(
        "force", "also while an agent runs; it attaches again at its next change");
    if (auto over = options.parse(arguments, output)) {
        return *over;
    }
    const std::string pin_dir = options.pin_dir();
    const Fd directory(open(pin_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory && errno == ENOENT) {
        output.out << "Nothing is pinned at " << pin_dir << ": nothing to do (--pin-dir names another place)\n";
        return kExitDone;
    }
    if (!directory) {
        const std::string next = errno == EACCES || errno == EPERM ? ": run as root" : "";
        return fail(kText.name, {"open", pin_dir, std::strerror(errno) + next}, output);
    }
    struct statfs info{};
    if (fstatfs(directory.get(), &info) != 0 || static_cast<unsigned long>(info.f_type) != BPF_FS_MAGIC) {
        return fail(kText.name, {"detach", pin_dir, "it is not on a bpffs: is it another --pin-dir?"}, output);
    }
    // The agent holds this lock as long as it lives.
    if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0 && !options.has("force")) {
        return fail(kText.name,
                    {"detach", pin_dir,
                     "an agent runs and would attach again: stop it first (shunt status names its pid), or use --force"},
                    output);
    }
    const std::set<int> devices = known_devices(pin_dir);
    for (int ifindex : devices) {
        detach_from_device(pin_dir, ifindex);
    }
    if (auto released = ManagedNeighbours().release_all(); !released) {
        output.error << "shunt detach: " << released.error().message() << " (ip neigh shows what stayed managed)\n";
    }
    if (auto ended = end_drain(pin_dir); !ended) {
        return fail(kText.name, ended.error(), output);
    }
    for (const char* folder : {"/links", "/programs", "/show"}) {
        if (auto removed = remove_pins(pin_dir + folder); !removed) {
            return fail(kText.name, removed.error(), output);
        }
    }
    output.out << (devices.empty() ? "No device had programs.\n" : "Programs taken off " + list_of(devices) + ".\n");
    if (options.has("purge")) {
        if (auto removed = remove_maps(pin_dir); !removed) {
            return fail(kText.name, removed.error(), output);
        }
        output.out << "Maps given up.\n";
    } else {
        output.out << "The maps stay at " << pin_dir << " (--purge gives them up).\n";
    }
    return kExitDone;
}

}  // namespace shunt
