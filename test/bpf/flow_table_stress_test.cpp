// SPDX-License-Identifier: Apache-2.0
// The flow tables under everything at once: each CPU opens, finds, closes and reopens flows of one small set of clients,
// upkeep grows the tables and sweeps them, user space reads along. Then all stop, and the tables must be as they should.
// Tables, and the range of SNAT ports, are so small that evictions, full groups, taken and stolen ports are daily bread.
// SHUNT_STRESS_SECONDS makes it longer.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include "agent/datapath/flow_table.h"
#include "test/bpf/flow_table_check.h"
#include "test/bpf/stress_traffic.h"
#include "test/bpf/upkeep.h"

namespace shunt::test {
namespace {

using namespace std::chrono_literals;

constexpr unsigned BLOCKS = 4 * FLOW_STRIPES;
constexpr std::uint16_t LONG_AGO = 9000;  // ticks: longer than any state lasts
const Datapath::Options SIZES{.flow_blocks = BLOCKS, .snat_port_min = 10240, .snat_port_count = 4 * FLOW_STRIPES};

std::chrono::milliseconds duration() {
    const char* seconds = std::getenv("SHUNT_STRESS_SECONDS");
    return std::chrono::seconds(seconds ? std::max(1, std::atoi(seconds)) : 10);
}

class FlowTableStress : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "needs root: loads BPF programs and makes a network namespace";
        }
        const Network& network = Network::enter();
        datapath_ = std::make_unique<Datapath>(SIZES);
        datapath_->reset(network);
        traffic_ = std::make_unique<StressTraffic>(*datapath_, network, SIZES);
        upkeep_ = std::make_unique<Upkeep>(*datapath_);
        auto tables = FlowTables::open({.flows4 = datapath_->map_fd("flows4"),
                                        .flows6 = datapath_->map_fd("flows6"),
                                        .control = datapath_->map_fd("flow_control")});
        ASSERT_TRUE(tables) << tables.error().message();
        tables_ = std::make_unique<FlowTables>(std::move(*tables));
    }

    void note(const std::string& fault) {
        const std::lock_guard guard(mutex_);
        if (faults_++ < 10) {
            ADD_FAILURE() << fault;
        }
    }

    static void stay_on(unsigned cpu) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    }

    // One CPU's traffic.
    void work(unsigned cpu) {
        stay_on(cpu);
        std::mt19937 random(std::random_device{}());
        while (!stop_) {
            const std::uint32_t draw = random();
            const int version = draw & 1 ? 4 : 6;
            // The first run of several XDP packets costs a millisecond (the kernel patches its dispatcher), single ones do not.
            send(version, false, 256 + draw % 2048);
            for (unsigned i = 0; i < 32 && !stop_; i++) {
                send(version, false, 1);
                send(version, true, 8);
            }
        }
    }

    void send(int version, bool at_egress, unsigned repeat) {
        const StressTraffic::Burst burst = traffic_->run(version, at_egress, repeat);
        packets_ += repeat;
        judged_ += burst.was_forwarded;
        if (!burst.fault.empty()) {
            note(burst.fault);
        }
    }

    void keep_up() {
        std::mt19937 random(std::random_device{}());
        auto idle_at = std::chrono::steady_clock::now(), epoch_at = idle_at;
        while (!stop_) {
            const bool growing = upkeep_->once();
            const auto now = std::chrono::steady_clock::now();
            if (now >= idle_at) {
                idle_at = now + 100ms;
                make_some_idle(random);
            }
            if (now >= epoch_at) {
                epoch_at = now + 50ms;
                datapath_->raise_route_epoch();
            }
            if (!growing) {
                std::this_thread::sleep_for(50us);
            }
        }
    }

    // A quarter of the blocks, since both entries of a flow are in one, mostly.
    void make_some_idle(std::mt19937& random) {
        const auto long_ago = static_cast<__u16>(tick_now() - LONG_AGO);
        const auto age = [&](auto* blocks) {
            for (unsigned i = 0; i < BLOCKS; i++) {
                if (random() % 4 == 0) {
                    for (auto& slot : blocks[i].slots) {
                        slot.recipe.last_seen = long_ago;
                    }
                }
            }
        };
        with_tables(age);
    }

    template <typename Visit>
    void with_tables(Visit visit) {
        const auto open = [](int fd, std::size_t size) {
            return Mapping::open(fd, size, PROT_READ | PROT_WRITE, "flow table");
        };
        const auto flows4 = open(datapath_->map_fd("flows4"), BLOCKS * sizeof(flow4_block));
        const auto flows6 = open(datapath_->map_fd("flows6"), BLOCKS * sizeof(flow6_block));
        visit(static_cast<flow4_block*>(flows4->data()));
        visit(static_cast<flow6_block*>(flows6->data()));
    }

    void read_along() {
        while (!stop_) {
            tables_->walk([&](const auto& flow) {
                walked_++;
                if (const std::string fault = traffic_->fault_of(flow); !fault.empty()) {
                    note("read along: " + fault);
                }
            });
            std::this_thread::sleep_for(1ms);
        }
    }

    void run_for(std::chrono::milliseconds time) {
        stop_ = false;
        std::vector<std::thread> threads;
        for (unsigned cpu = 0; cpu < std::max(2u, std::thread::hardware_concurrency()); cpu++) {
            threads.emplace_back([this, cpu] { work(cpu); });
        }
        threads.emplace_back([this] { keep_up(); });
        threads.emplace_back([this] { read_along(); });
        std::this_thread::sleep_for(time);
        stop_ = true;
        for (std::thread& thread : threads) {
            thread.join();
        }
    }

    // Nobody runs: everything in its place, and nothing there that was not opened.
    void expect_order(const std::string& when) {
        std::size_t entries = 0;
        EXPECT_TRUE(upkeep_->settle()) << when;
        for (const int version : {4, 6}) {
            const FlowTableReport report = check_flow_table(*datapath_, version);
            EXPECT_TRUE(report.is_good()) << when << ", IPv" << version << ": " << report;
            entries += report.entries;
        }
        EXPECT_EQ(entries / 2, counted(FLOW_OPENED) - counted(FLOW_EXPIRED) - counted(FLOW_EVICTED) - counted(FLOW_REOPENED) -
                  counted(FLOW_RESCUED) - counted(FLOW_STALE_REMOVED))
            << when;
        EXPECT_EQ(counted(FLOW_HALF_FOUND), 0u) << when;
    }

    std::uint64_t counted(event event) const {
        const Events events = datapath_->events() - start_;
        const auto found = events.counts.find(event);
        return found == events.counts.end() ? 0 : found->second;
    }

    // An empty table of the smallest size.
    void start_over() {
        datapath_->renew_flow_tables();
        start_ = datapath_->events();
    }

    std::unique_ptr<Datapath> datapath_;
    std::unique_ptr<StressTraffic> traffic_;
    std::unique_ptr<Upkeep> upkeep_;
    std::unique_ptr<FlowTables> tables_;
    Events start_;
    std::atomic<bool> stop_ = false;
    std::atomic<std::uint64_t> packets_ = 0, judged_ = 0, walked_ = 0;
    std::mutex mutex_;
    unsigned faults_ = 0;
};

TEST_F(FlowTableStress, EverythingAtOnce) {
    const Events begin = datapath_->events();
    const auto end = std::chrono::steady_clock::now() + duration();
    std::uint64_t moves = 0, rounds = 0;
    // Few clients: all CPUs are at one flow. Many: more flows than there is room for.
    const unsigned clients[] = {65536, 64, 16384, 1024};
    while (std::chrono::steady_clock::now() < end && !HasFailure()) {
        const unsigned count = clients[rounds++ % std::size(clients)];
        start_over();
        traffic_->set_clients(count);
        run_for(300ms);
        moves += datapath_->table(4).moves_begun + datapath_->table(6).moves_begun;
        expect_order(std::to_string(count) + " clients");
        with_tables([](auto* blocks) {
            for (unsigned i = 0; i < BLOCKS; i++) {
                for (auto& slot : blocks[i].slots) {
                    slot.recipe.last_seen = static_cast<__u16>(tick_now() - LONG_AGO);
                }
            }
        });
        upkeep_->pass();
        for (const int version : {4, 6}) {
            const FlowTableReport report = check_flow_table(*datapath_, version);
            EXPECT_TRUE(report.is_good() && report.entries == 0) << "swept, IPv" << version << ": " << report;
        }
    }
    Events all = datapath_->events() - begin;
    std::cout << rounds << " rounds, " << packets_ << " packets, " << judged_ << " of them looked at, " << walked_
              << " entries read along, " << moves << " moves\n" << all << '\n';
    EXPECT_GE(rounds, 8u);
    EXPECT_GE(judged_, 5000u);
    EXPECT_GE(walked_, 100000u);
    EXPECT_GE(moves, 10000u);
    EXPECT_GE(all.counts[FLOW_TABLE_GREW], rounds / 2);
    EXPECT_LE(all.counts[DROP_FLOW_CHANGED], packets_ / 1000);
    for (const event event : {FLOW_OPENED, FLOW_REOPENED, FLOW_EXPIRED, FLOW_EVICTED, FORWARDED_LOCAL_REQUEST,
                              FORWARDED_REMOTE_REQUEST, FORWARDED_LOCAL_REPLY, FORWARDED_REMOTE_REPLY, ROUTE_REFRESHED}) {
        EXPECT_GE(all.counts[event], 100u) << name(event);
    }
}

// A flow that is just being written to its old place, when the table begins to grow, is moved as well.
TEST_F(FlowTableStress, NoInsertionIsOvertakenByGrowth) {
    traffic_->set_clients(2048, true);
    stay_on(0);
    const auto control_map = Mapping::open(datapath_->map_fd("flow_control"), 2 * sizeof(flow_control),
                                           PROT_READ | PROT_WRITE, "flow_control");
    ASSERT_TRUE(control_map) << control_map.error().message();
    auto* control = static_cast<flow_control*>(control_map->data());
    std::uint64_t doublings = 0;
    const auto end = std::chrono::steady_clock::now() + duration() / 4;
    while (std::chrono::steady_clock::now() < end && !HasFailure()) {
        start_over();
        stop_ = false;
        std::thread other([this] {
            stay_on(1);
            while (!stop_) {
                traffic_->run(4, false, 1024);
            }
        });
        std::this_thread::sleep_for(2ms);
        for (std::uint64_t mask = FLOW_STRIPES - 1; mask < BLOCKS - 1; mask = 2 * mask + 1) {
            // As the programs do it when a stripe is full enough.
            __u64 shape = mask << 32 | mask;
            doublings += std::atomic_ref(control->shape).compare_exchange_strong(shape, mask << 32 | (2 * mask + 1));
            ASSERT_TRUE(upkeep_->settle());
        }
        stop_ = true;
        other.join();
        expect_order("doubling " + std::to_string(doublings));
    }
    std::cout << doublings << " doublings\n";
    EXPECT_GT(doublings, 20u);
}

// Half-open flows make room for each other, and never take that of an established one.
TEST_F(FlowTableStress, AFloodDisplacesNoEstablishedFlow) {
    start_over();
    traffic_->set_clients(512, true);
    traffic_->run(4, false, 8000);
    traffic_->run(6, false, 8000);
    datapath_->put_flows_in_state(FLOW_ESTABLISHED);
    std::vector<Flow> established = datapath_->flows();
    ASSERT_GT(established.size(), 2000u);
    traffic_->set_clients(65536, true);
    for (int i = 0; i < 60; i++) {
        traffic_->run(i % 2 ? 4 : 6, false, 1024);
        upkeep_->once();
    }
    std::size_t there = 0;
    for (const Flow& flow : datapath_->flows()) {
        there += flow.state == FLOW_ESTABLISHED;
    }
    EXPECT_EQ(there, established.size());
    EXPECT_GT(counted(FLOW_EVICTED), 1000u);
    expect_order("flood");
}

}  // namespace
}  // namespace shunt::test
