// SPDX-License-Identifier: Apache-2.0
// Sends UDP frames from the namespace it runs in, as fast as the path takes them, and says what became of them and
// what CPU time it took. Everything happens on one CPU and in this thread: the kernel delivers live frames in the
// softirq that follows each batch.
//   bench_frames send  cpu= device= dmac= smac= saddr= daddr= dport= flows= frames= far=DIR near=DIR
//                      [visit=scrambled] [open=1 source= mask= [reflect=0] [pause-ms=]]
//   bench_frames probe ... watch= first-flow= period-us= timeout-ms=
// open: the far end inspects and reflects, the near end inspects what comes back; reflect=0: nothing comes back.
// pause-ms: an eighth more flows at a time, with pauses, so that a table that grows with its load can do so.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <vector>

#include "test/bench/wire.h"  // the skeletons name its types

#include "frames.skel.h"
#include "test/bench/arguments.h"
#include "test/bench/ksoftirqd.h"

namespace shunt::bench {
namespace {

constexpr std::uint32_t BATCH = 64;  // what NAPI takes from a queue at once

std::uint64_t clock_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void sleep_ms(std::uint64_t ms) {
    const timespec pause{.tv_sec = 0, .tv_nsec = static_cast<long>(ms * 1'000'000)};
    nanosleep(&pause, nullptr);
}

// One end's pinned maps.
class End {
public:
    explicit End(const std::string& directory)
        : settings_(bpf_obj_get((directory + "/settings").c_str())),
          counts_(bpf_obj_get((directory + "/counts").c_str())) {
        check(settings_ >= 0 && counts_ >= 0, "open " + directory);
    }

    void set(const end_settings& settings) const {
        const std::uint32_t zero = 0;
        check(bpf_map_update_elem(settings_, &zero, &settings, BPF_ANY) == 0, "write settings");
        const std::vector<end_counts> nothing(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        check(bpf_map_update_elem(counts_, &zero, nothing.data(), BPF_ANY) == 0, "reset counts");
    }

    end_counts counts() const {
        const std::uint32_t zero = 0;
        std::vector<end_counts> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        check(bpf_map_lookup_elem(counts_, &zero, each.data()) == 0, "read counts");
        end_counts sum{};
        for (const end_counts& one : each) {
            sum.packets += one.packets;
            sum.wrong_checksums += one.wrong_checksums;
            sum.wrong_sources += one.wrong_sources;
            sum.watched_ns = sum.watched_ns == 0 ? one.watched_ns : sum.watched_ns;
        }
        return sum;
    }

    // Once nothing arrives any more.
    end_counts settled() const {
        end_counts before = counts();
        for (int i = 0; i < 50; i++) {
            sleep_ms(2);
            const end_counts now = counts();
            if (now.packets == before.packets) {
                return now;
            }
            before = now;
        }
        return before;
    }

private:
    int settings_, counts_;
};

std::uint32_t sum_of(const std::uint32_t* words, int count) {
    std::uint32_t sum = 0;
    for (int i = 0; i < count; i++) {
        sum += (words[i] & 0xffff) + (words[i] >> 16);
    }
    return sum;
}

void fill_plan(frame_plan& plan, const Arguments& arguments) {
    const Address source = arguments.address("saddr"), destination = arguments.address("daddr");
    const auto flows = static_cast<std::uint32_t>(arguments.number("flows"));
    check(std::has_single_bit(flows) && source.is_ipv6 == destination.is_ipv6, "flows: a power of two; one family");
    arguments.mac("dmac", plan.macs);
    arguments.mac("smac", plan.macs + 6);
    plan.is_ipv6 = source.is_ipv6;
    plan.dport = htons(static_cast<std::uint16_t>(arguments.number("dport")));
    plan.first_sport = 20000;
    plan.flow_mask = flows - 1;
    plan.shift = arguments.has("visit") ? static_cast<std::uint8_t>(std::bit_width(plan.flow_mask) / 2 + 1) : 0;
    std::copy(source.words.begin(), source.words.end(), plan.saddr);
    std::copy(destination.words.begin(), destination.words.end(), plan.daddr);
    plan.ifindex = if_nametoindex(arguments.text("device").c_str());
    check(plan.ifindex != 0, "device " + arguments.text("device"));

    // The payload is zeros. Fields in host order are summed as they stand on the wire.
    const int words = plan.is_ipv6 ? 4 : 1;
    plan.l4_sum = sum_of(destination.words.data(), words) + sum_of(source.words.data(), words - 1) + htons(17) +
                  2U * htons(DATAGRAM_SIZE) + plan.dport;
    const std::uint32_t ip_sum = htons(0x4500) + htons(20 + DATAGRAM_SIZE) + htons(0x4000) + htons(64 << 8 | 17) +
                                 sum_of(destination.words.data(), 1);
    plan.ip_sum = static_cast<std::uint16_t>((ip_sum & 0xffff) + (ip_sum >> 16));
}

class Generator {
public:
    explicit Generator(const Arguments& arguments) : skeleton_(frames_bpf__open()) {
        check(skeleton_ != nullptr, "open frames");
        fill_plan(const_cast<frame_plan&>(skeleton_->rodata->plan), arguments);
        frame_.resize(skeleton_->rodata->plan.is_ipv6 ? 54 + DATAGRAM_SIZE : 34 + DATAGRAM_SIZE);
        skeleton_->bss->next_frame = arguments.number_or("first-flow", 0);
        check(frames_bpf__load(skeleton_) == 0, "load frames");
    }
    Generator(const Generator&) = delete;
    Generator& operator=(const Generator&) = delete;
    ~Generator() { frames_bpf__destroy(skeleton_); }

    void send(std::uint32_t frames) {
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame_.data(),
                    .data_size_in = static_cast<std::uint32_t>(frame_.size()), .repeat = static_cast<int>(frames),
                    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = std::min(frames, BATCH));
        check(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.generate), &options) == 0, "send live frames");
    }

private:
    frames_bpf* skeleton_;
    std::vector<std::uint8_t> frame_;
};

void send_with_pauses(Generator& generator, std::uint32_t frames, std::uint64_t pause_ms) {
    for (std::uint32_t sent = 0; sent < frames;) {
        const std::uint32_t some = std::min(frames - sent, std::max(1024U, sent / 8));
        generator.send(some);
        sent += some;
        sleep_ms(sent < frames ? pause_ms : 0);
    }
}

end_settings far_settings(const Arguments& arguments) {
    end_settings settings{};
    settings.port = htons(static_cast<std::uint16_t>(arguments.number_or("arrival-port", arguments.number("dport"))));
    if (arguments.has("open")) {
        settings.inspect = 1;
        settings.reflect = arguments.number_or("reflect", 1) != 0;
        std::copy_n(arguments.address("source").words.begin(), 4, settings.source);
        std::copy_n(arguments.address("mask").words.begin(), 4, settings.source_mask);
    }
    if (arguments.has("watch")) {
        settings.inspect = 1;
        settings.watched = arguments.address("watch").words[0];
    }
    return settings;
}

// Replies come from where requests went.
end_settings near_settings(const Arguments& arguments) {
    end_settings settings{};
    settings.port = htons(static_cast<std::uint16_t>(arguments.number("dport")));
    settings.by_source = 1;
    settings.inspect = arguments.has("open");
    const Address from = arguments.address("daddr");
    std::copy(from.words.begin(), from.words.end(), settings.source);
    std::fill_n(settings.source_mask, from.is_ipv6 ? 4 : 1, 0xffffffff);
    return settings;
}

void send(const Arguments& arguments) {
    const End far(arguments.text("far")), near(arguments.text("near"));
    Generator generator(arguments);
    far.set(far_settings(arguments));
    near.set(near_settings(arguments));
    const auto frames = static_cast<std::uint32_t>(arguments.number("frames"));
    const Ksoftirqd helper(arguments.number("cpu"));

    const std::uint64_t helper_before = helper.run_ns();
    const std::uint64_t wall = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (arguments.has("pause-ms")) {
        send_with_pauses(generator, frames, arguments.number("pause-ms"));
    } else {
        generator.send(frames);
    }
    const std::uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    const std::uint64_t wall_ns = clock_ns(CLOCK_MONOTONIC) - wall;

    const end_counts delivered = far.settled(), returned = near.settled();
    std::printf(
        "{\"sent\": %u, \"delivered\": %llu, \"returned\": %llu, \"wrong_checksums\": %llu, \"wrong_sources\": %llu, "
        "\"cpu_ns\": %llu, \"ksoftirqd_ns\": %llu, \"wall_ns\": %llu}\n",
        frames, delivered.packets, returned.packets, delivered.wrong_checksums + returned.wrong_checksums,
        delivered.wrong_sources + returned.wrong_sources, static_cast<unsigned long long>(cpu_ns),
        static_cast<unsigned long long>(helper.run_ns() - helper_before), static_cast<unsigned long long>(wall_ns));
}

// One frame of a new flow every now and then, until the far end sees one for the watched address.
void probe(const Arguments& arguments) {
    const End far(arguments.text("far"));
    Generator generator(arguments);
    far.set(far_settings(arguments));
    prctl(PR_SET_TIMERSLACK, 1);
    const timespec period{.tv_sec = 0, .tv_nsec = static_cast<long>(arguments.number("period-us") * 1000)};
    const std::uint64_t deadline = clock_ns(CLOCK_MONOTONIC) + arguments.number("timeout-ms") * 1'000'000;
    std::uint32_t sent = 0;
    end_counts counts{};
    while (counts.watched_ns == 0 && clock_ns(CLOCK_MONOTONIC) < deadline) {
        generator.send(1);
        counts = far.counts();
        if (sent++ == 10) {
            std::puts("ready");
            std::fflush(stdout);
        }
        nanosleep(&period, nullptr);
    }
    std::printf("{\"sent\": %u, \"delivered\": %llu, \"watched_ns\": %llu}\n", sent, counts.packets, counts.watched_ns);
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
    using namespace shunt::bench;
    const std::string what = argc > 1 ? argv[1] : "";
    const Arguments arguments(argc, argv, 2);
    stay_on_cpu(arguments.number("cpu"));
    if (what == "send") {
        send(arguments);
    } else if (what == "probe") {
        probe(arguments);
    } else {
        give_up("usage: bench_frames send|probe KEY=VALUE...");
    }
}
