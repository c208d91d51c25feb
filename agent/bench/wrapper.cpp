// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/wrapper.h"

#include <bpf/bpf.h>
#include <linux/if_link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "bench.skel.h"

namespace shunt::bench {
namespace {

// A test run of more than one repetition puts an XDP program among those that the kernel calls directly and takes it
// out again: a millisecond of patching code that would be taken for the packets'. A program that is attached somewhere
// is there already.
class Attached {
public:
    Attached(Hook hook, unsigned device, int program) : device_(hook == Hook::xdp ? device : 0) {
        if (device_ != 0) {
            error_ = bpf_xdp_attach(static_cast<int>(device_), program, XDP_FLAGS_DRV_MODE, nullptr);
        }
    }
    ~Attached() {
        if (device_ != 0) {
            bpf_xdp_detach(static_cast<int>(device_), XDP_FLAGS_DRV_MODE, nullptr);
        }
    }
    Attached(const Attached&) = delete;
    Attached& operator=(const Attached&) = delete;

    int error() const { return error_; }

private:
    unsigned device_;
    int error_ = 0;
};

}  // namespace

Wrapper::Wrapper(bench_bpf* skeleton, const Datapath& datapath, Hook hook, std::span<const Flow> visits)
    : skeleton_(skeleton, bench_bpf::destroy),
      family_(datapath.family()),
      network_(datapath.network()),
      hook_(hook),
      visits_(visits) {}

Result<Wrapper> Wrapper::make(const Datapath& datapath, Path path, Hook hook, std::span<const Flow> visits) {
    bench_bpf* skeleton = bench_bpf::open();
    if (skeleton == nullptr) {
        return failure_errno("open programs", "bench");
    }
    Wrapper wrapper(skeleton, datapath, hook, visits);
    const Variation varied = variation(path, datapath.family());
    skeleton->rodata->family = datapath.family();
    skeleton->rodata->word_offset = varied.word_offset;
    skeleton->rodata->port_offset = varied.port_offset;
    skeleton->rodata->visits_mask = static_cast<std::uint32_t>(visits.size() - 1);
    bpf_map__set_max_entries(skeleton->maps.visits, static_cast<std::uint32_t>(visits.size()));
    if (const int error = bench_bpf::load(skeleton); error != 0) {
        return failure_errno("load programs", "bench", error);
    }
    Status made = wrapper.set_program(datapath, path);
    if (made) {
        made = wrapper.set_visits(path);
    }
    if (!made) {
        return std::unexpected(made.error());
    }
    wrapper.set_frame(frame_without_visit(path, datapath.family(), incoming(path, datapath.family(), {}).flags));
    return wrapper;
}

Status Wrapper::set_program(const Datapath& datapath, Path path) {
    const auto program = datapath.program(bench::program(path, hook_));
    if (!program) {
        return std::unexpected(program.error());
    }
    const std::uint32_t measured = 0;
    const bpf_map* targets = hook_ == Hook::xdp ? skeleton_->maps.xdp_targets : skeleton_->maps.tc_targets;
    if (bpf_map_update_elem(bpf_map__fd(targets), &measured, &*program, BPF_ANY) != 0) {
        return failure_errno("wrap program", bench::program(path, hook_));
    }
    return {};
}

Status Wrapper::set_visits(Path path) {
    const std::size_t length = visits_.size() * sizeof(bench_visit);
    void* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(skeleton_->maps.visits), 0);
    if (memory == MAP_FAILED) {
        return failure_errno("map", "visits");
    }
    std::ranges::transform(visits_, static_cast<bench_visit*>(memory),
                           [&](const Flow& flow) { return visit(path, family_, flow); });
    munmap(memory, length);
    return {};
}

void Wrapper::set_frame(const Bytes& frame) {
    frame_ = frame;
    std::memcpy(skeleton_->data->frame, frame.data(), frame.size());
}

Result<RunOutcome> Wrapper::run(int program, std::uint32_t repeat) {
    const Attached attached(hook_, network_.spare, program);
    if (attached.error() != 0) {
        return failure_errno("attach the wrapper to", "the spare device", attached.error());
    }
    skeleton_->bss->cursor = cursor_;
    auto outcome = test_run(program, hook_, network_.uplink, frame_, repeat);
    if (outcome && skeleton_->bss->cursor != cursor_ + repeat) {
        return failure(
            "run the wrapper", "",
            "it sent " + std::to_string(skeleton_->bss->cursor - cursor_) + " packets, not " + std::to_string(repeat));
    }
    return outcome;
}

Result<RunOutcome> Wrapper::run(std::uint32_t repeat) {
    auto outcome =
        run(bpf_program__fd(hook_ == Hook::xdp ? skeleton_->progs.xdp_bench : skeleton_->progs.tc_bench), repeat);
    cursor_ += repeat;
    return outcome;
}

Result<RunOutcome> Wrapper::run_floor(std::uint32_t repeat) {
    return run(bpf_program__fd(hook_ == Hook::xdp ? skeleton_->progs.xdp_bench_floor : skeleton_->progs.tc_bench_floor),
               repeat);
}

}  // namespace shunt::bench
