// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/test_run.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <time.h>

#include <cerrno>

namespace shunt::bench {
namespace {

// Not the wall clock: other work on the same CPU is none of the program's. Not the kernel's own figure: whole ns.
double thread_cpu_ns() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

}  // namespace

Result<RunOutcome> test_run(int program, Hook hook, unsigned ifindex, const Bytes& frame, std::uint32_t repeat) {
    RunOutcome outcome{.frame = Bytes(256)};
    const auto size = static_cast<__u32>(frame.size());
    xdp_md xdp{.data_end = size, .ingress_ifindex = ifindex};
    __sk_buff skb{};
    skb.ifindex = ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame.data(), .data_out = outcome.frame.data(), .data_size_in = size,
                .data_size_out = static_cast<__u32>(outcome.frame.size()), .repeat = static_cast<int>(repeat));
    if (hook == Hook::xdp) {
        run.ctx_in = &xdp;
        run.ctx_size_in = sizeof(xdp);
    } else {
        run.ctx_in = &skb;
        run.ctx_size_in = sizeof(skb);
    }
    const double before = thread_cpu_ns();
    if (const int error = bpf_prog_test_run_opts(program, &run); error != 0) {
        return failure_errno("run a program on a frame", "", error);
    }
    outcome.ns = (thread_cpu_ns() - before) / repeat;
    outcome.action = run.retval;
    outcome.frame.resize(run.data_size_out);
    return outcome;
}

std::string action_name(Hook hook, std::uint32_t action) {
    if (hook == Hook::xdp) {
        switch (action) {
            case XDP_ABORTED:
                return "XDP_ABORTED";
            case XDP_DROP:
                return "XDP_DROP";
            case XDP_PASS:
                return "XDP_PASS";
            case XDP_TX:
                return "XDP_TX";
            case XDP_REDIRECT:
                return "XDP_REDIRECT";
            default:
                return "XDP action " + std::to_string(action);
        }
    }
    switch (static_cast<int>(action)) {
        case TC_ACT_UNSPEC:
            return "TC_ACT_UNSPEC";
        case TC_ACT_SHOT:
            return "TC_ACT_SHOT";
        case TC_ACT_REDIRECT:
            return "TC_ACT_REDIRECT";
        default:
            return "TC action " + std::to_string(static_cast<int>(action));
    }
}

}  // namespace shunt::bench
