// SPDX-License-Identifier: Apache-2.0
// What the timer does: idle flows go, tables grow. The real programs, run by hand, and by the real timer with nobody there.
#include <bpf/bpf.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include "agent/datapath/flow_upkeep.h"
#include "agent/datapath/pin_directory.h"
#include "maps/control.h"
#include "maps/flow_place.h"
#include "test/bpf/fixture.h"
#include "test/bpf/flow_table_check.h"
#include "test/bpf/upkeep.h"

namespace shunt::test {
namespace {

using namespace packet;
using namespace packet::actors;

// The tick may go on while a test runs.
constexpr std::uint32_t SLACK = 3;

std::uint32_t ticks(std::uint32_t seconds) {
    return static_cast<std::uint32_t>(std::uint64_t{seconds} * 1000000000 >> TICK_SHIFT);
}

// Client number `i`; many share an address.
Tuple of_client(int version, std::uint32_t i) {
    Address address = client.address(version);
    address.octets[version == 4 ? 3 : 15] = static_cast<std::uint8_t>(1 + i % 200);
    return {address, static_cast<std::uint16_t>(1024 + i / 200), vip.address(version), FRONTEND_PORT};
}

class UpkeepBase : public CaseTest {
protected:
    Verdict send(Datapath& datapath, std::uint32_t i, std::uint8_t flags) {
        const Bytes frame = packet(from_router(), of_client(version(), i), flags).build();
        return datapath.run_raw(ingress(), network().uplink, frame, out_).verdict;
    }
    void open(Datapath& datapath, std::uint32_t begin, std::uint32_t end, const std::function<void()>& between = [] {}) {
        for (std::uint32_t i = begin; i < end; i++) {
            send(datapath, i, SYN);
            if (i % 64 == 0) {
                between();
            }
        }
    }
    void expect_good_table(const Datapath& datapath, std::size_t flows) {
        const FlowTableReport report = check_flow_table(datapath, version());
        EXPECT_TRUE(report.is_good()) << report;
        EXPECT_EQ(report.entries, 2 * flows);
    }

    std::vector<std::uint8_t> out_ = std::vector<std::uint8_t>(2048);
};

// ---- Idle flows. A table of the smallest size, which cannot grow.

class UpkeepIdle : public UpkeepBase {
protected:
    void SetUp() override {
        UpkeepBase::SetUp();
        if (!IsSkipped()) {
            upkeep_.emplace(datapath());
        }
    }

    Events pass() const {
        const Events before = datapath().events();
        upkeep_->pass();
        return datapath().events() - before;
    }
    Outcome reply() const { return go_out(packet(to_router(), {of(a1), POD_PORT, of(client), CLIENT_PORT}, ACK)); }
    std::uint32_t timeout(flow_state state) const { return ticks(flow_timeout(protocol(), state)); }

    std::optional<Upkeep> upkeep_;
};

TEST_P(UpkeepIdle, AFlowGoesWhenBothDirectionsAreIdle) {
    serve({local(a1)});
    come_in(request());
    datapath().age_flows(timeout(FLOW_HALF_OPEN) + SLACK);
    EXPECT_EQ(pass(), Events{FLOW_EXPIRED});
    EXPECT_TRUE(datapath().flows().empty());
    expect_good_table(datapath(), 0);
}

TEST_P(UpkeepIdle, AFlowStaysWhenOneDirectionIsNotIdle) {
    serve({local(a1)});
    come_in(request());
    reply();
    const std::vector<Flow> flows = datapath().flows();
    datapath().age_flows(ticks(8000) + SLACK);
    come_in(request(ACK));
    EXPECT_EQ(pass(), Events{}) << "the reply's direction is idle, the request's is not";
    datapath().age_flows(ticks(8000) + SLACK);
    reply();
    EXPECT_EQ(pass(), Events{}) << "and the other way round";
    expect_good_table(datapath(), 1);
    if (!is_tcp()) {
        expect_flows(flows);
    }
}

TEST_P(UpkeepIdle, EachStateHasItsOwnTime) {
    EXPECT_GT(FLOW_TIMEOUT_TCP_ESTABLISHED, 6000) << "an NLB may keep a connection idle for 6000 s";
    EXPECT_GT(FLOW_TIMEOUT_UDP_ESTABLISHED, 120) << "and a UDP flow for 120 s";
    serve({local(a1)});
    std::vector<flow_state> states{FLOW_HALF_OPEN, FLOW_ESTABLISHED};
    if (is_tcp()) {
        states = {FLOW_HALF_OPEN, FLOW_REPLIED, FLOW_ESTABLISHED, FLOW_CLOSING};
    }
    for (const flow_state state : states) {
        come_in(request());
        datapath().put_flows_in_state(state);
        const std::vector<Flow> flows = datapath().flows();
        datapath().age_flows(timeout(state) - SLACK);
        EXPECT_EQ(pass(), Events{}) << state;
        expect_flows(flows);
        datapath().age_flows(2 * SLACK);
        EXPECT_EQ(pass(), Events{FLOW_EXPIRED}) << state;
        EXPECT_TRUE(datapath().flows().empty()) << state;
    }
}

TEST_P(UpkeepIdle, APacketLaterThanTheWalkIsNotAnAge) {
    serve({local(a1)});
    come_in(request());
    datapath().age_flows(0u - 5);
    EXPECT_EQ(pass(), Events{});
    expect_good_table(datapath(), 1);
}

TEST_P(UpkeepIdle, OfManyFlowsTheIdleOnesGo) {
    constexpr std::uint32_t FLOWS = 3000;
    serve({local(a1), remote(b1)});
    open(datapath(), 0, FLOWS);
    ASSERT_EQ(datapath().flows().size(), 2 * FLOWS);
    datapath().put_flows_in_state(FLOW_ESTABLISHED);
    datapath().age_flows(timeout(FLOW_ESTABLISHED) + SLACK);
    for (std::uint32_t i = 0; i < FLOWS; i += 2) {
        send(datapath(), i, ACK);
    }
    std::vector<Flow> staying;
    for (const Flow& flow : datapath().flows()) {
        const FlowKey& key = flow.key;
        const bool is_request = flow.kind == RECIPE_LOCAL_REQUEST || flow.kind == RECIPE_REMOTE_REQUEST;
        const Address& who = is_request ? key.saddr : flow.daddr;
        const unsigned port = is_request ? key.sport : flow.dport;
        const unsigned i = (port - 1024) * 200 + who.octets[version() == 4 ? 3 : 15] - 1;
        if (i % 2 == 0) {
            staying.push_back(flow);
        }
    }
    const Events events = pass();
    EXPECT_EQ(events.counts, (std::map<event, std::uint64_t>{{FLOW_EXPIRED, FLOWS / 2}}));
    expect_good_table(datapath(), FLOWS / 2);
    EXPECT_EQ(datapath().flows().size(), staying.size());
    if (version() == 4) {
        expect_flows(staying);
    }
}

// ---- Growth

constexpr unsigned BLOCKS = 8 * FLOW_STRIPES;  // three doublings

class UpkeepGrowth : public UpkeepBase {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "needs root: loads BPF programs and makes a network namespace";
        }
        network();
        table_ = std::make_unique<Datapath>(Datapath::Options{.flow_blocks = BLOCKS});
        table_->reset(network());
        table_->serve({{of(vip), FRONTEND_PORT, protocol()}}, {local(a1), remote(b1), local(a2), remote(b2)});
        upkeep_.emplace(*table_);
    }

    unsigned blocks() const { return flow_shape_new(table_->table(version()).shape) + 1; }
    bool is_growing() const {
        const std::uint64_t shape = table_->table(version()).shape;
        return flow_shape_new(shape) != flow_shape_old(shape);
    }
    std::uint64_t counted(event event) const {
        const Events events = table_->events();
        const auto found = events.counts.find(event);
        return found == events.counts.end() ? 0 : found->second;
    }
    std::uint64_t flows_there() const {
        return counted(FLOW_OPENED) - counted(FLOW_EVICTED) - counted(FLOW_EXPIRED) - counted(FLOW_REOPENED) -
               counted(FLOW_RESCUED);
    }
    // Half-open ones may have given way while there was no room.
    void expect_all_found(std::uint32_t opened, std::uint64_t may_be_missing) {
        const Events before = table_->events();
        for (std::uint32_t i = 0; i < opened; i++) {
            send(*table_, i, ACK);
        }
        Events after = table_->events() - before;
        const std::uint64_t missing = is_tcp() ? after.counts[PASSED_NO_FLOW] : after.counts[FLOW_OPENED];
        EXPECT_LE(missing, may_be_missing);
        if (is_tcp()) {
            EXPECT_EQ(after.counts[FORWARDED_LOCAL_REQUEST] + after.counts[FORWARDED_REMOTE_REQUEST], flows_there());
            EXPECT_EQ(after.counts[FLOW_OPENED], 0u);
        }
    }

    std::unique_ptr<Datapath> table_;
    std::optional<Upkeep> upkeep_;
};

TEST_P(UpkeepGrowth, TheTableDoublesAndEveryFlowIsFound) {
    constexpr std::uint32_t FLOWS = 18000;
    open(*table_, 0, FLOWS, [&] { upkeep_->once(); });
    EXPECT_TRUE(upkeep_->settle());
    EXPECT_FALSE(is_growing());
    EXPECT_EQ(blocks(), BLOCKS);
    EXPECT_EQ(counted(FLOW_TABLE_GREW), 3u);
    EXPECT_LT(counted(FLOW_EVICTED), FLOWS / 200);
    EXPECT_EQ(counted(FLOW_HALF_FOUND), 0u);
    expect_good_table(*table_, flows_there());
    expect_all_found(FLOWS, counted(FLOW_EVICTED));

    table_->age_flows(ticks(8000) + SLACK);
    upkeep_->pass();
    expect_good_table(*table_, 0);
}

// Whoever does the upkeep goes away in the middle of a doubling, for as long as it likes.
TEST_P(UpkeepGrowth, AbandonedHalfWayItLosesNothing) {
    std::uint32_t flows = 0;
    while (!is_growing() && flows < 6000) {
        send(*table_, flows++, SYN);
    }
    ASSERT_TRUE(is_growing());
    for (int calls = 0; calls < 2; calls++) {  // before the first call, and after it: half of the blocks
        open(*table_, flows, flows + 500);
        flows += 500;
        expect_good_table(*table_, flows_there());
        expect_all_found(flows, counted(FLOW_EVICTED));
        if (is_tcp()) {
            for (std::uint32_t i = 0; i < flows; i += 3) {
                send(*table_, i, RST);
                send(*table_, i, SYN);
            }
            EXPECT_GT(counted(FLOW_REOPENED), flows / 4);
        }
        expect_good_table(*table_, flows_there());
        ASSERT_TRUE(is_growing());
        upkeep_->once();
    }
    EXPECT_TRUE(upkeep_->settle());
    EXPECT_EQ(blocks(), 2 * FLOW_STRIPES);
    EXPECT_EQ(counted(FLOW_HALF_FOUND), 0u);
    expect_good_table(*table_, flows_there());
    expect_all_found(flows, counted(FLOW_EVICTED));
}

// ---- The timer, as the agent starts it

class UpkeepTimer : public UpkeepBase {
protected:
    void SetUp() override {
        UpkeepBase::SetUp();
        if (IsSkipped()) {
            return;
        }
        ASSERT_TRUE(PinDirectory::open_and_lock(directory()));
        for (const char* map : {"flows4", "flows6", "flow_stripes", "flow_control", "flow_timer", "counters"}) {
            ASSERT_EQ(bpf_obj_pin(datapath().map_fd(map), (directory() + '/' + map).c_str()), 0) << map;
        }
        serve({local(a1)});
    }
    void TearDown() override {
        std::error_code error;
        std::filesystem::remove_all(directory(), error);
    }

    const std::string& directory() const {
        static const std::string path = "/sys/fs/bpf/shunt_upkeep_test_" + std::to_string(getpid());
        return path;
    }

    // An agent that starts upkeep and dies.
    bool start_and_die() const {
        const pid_t child = fork();
        if (child == 0) {
            const auto pins = PinDirectory::open_and_lock(directory());
            const auto upkeep = FlowUpkeep::load(
                [&](const std::string& map) { return bpf_obj_get((directory() + '/' + map).c_str()); });
            const Status status = !pins     ? std::unexpected(pins.error())
                                  : !upkeep ? std::unexpected(upkeep.error())
                                            : upkeep->start();
            if (!status) {
                std::fprintf(stderr, "%s\n", status.error().message().c_str());
            }
            _exit(status ? 0 : 1);
        }
        int status = 1;
        waitpid(child, &status, 0);
        return status == 0;
    }

    static bool within(std::chrono::seconds limit, const std::function<bool()>& holds) {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!holds()) {
            if (std::chrono::steady_clock::now() > end) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        return true;
    }

    void expect_idle_flows_to_go() {
        come_in(request());
        datapath().age_flows(ticks(8000) + SLACK);
        EXPECT_TRUE(within(std::chrono::seconds(15), [] { return datapath().flows().empty(); }));
        come_in(request());
        EXPECT_FALSE(within(std::chrono::seconds(3), [] { return datapath().flows().empty(); })) << "it was not idle";
        EXPECT_EQ(datapath().flows().size(), 2u);
    }

    // Upkeep's that use the pinned timer, so that its callback is one of theirs.
    std::vector<__u32> programs() const {
        bpf_map_info timer{};
        __u32 size = sizeof(timer);
        const Fd map(bpf_obj_get((directory() + "/flow_timer").c_str()));
        bpf_obj_get_info_by_fd(map.get(), &timer, &size);
        std::vector<__u32> found;
        for (__u32 id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
            std::array<__u32, 64> maps{};
            bpf_prog_info info{};
            info.nr_map_ids = maps.size();
            info.map_ids = reinterpret_cast<__u64>(maps.data());
            size = sizeof(info);
            const Fd program(bpf_prog_get_fd_by_id(id));
            if (program && bpf_obj_get_info_by_fd(program.get(), &info, &size) == 0 &&
                std::string_view(info.name) == "upkeep_start" &&
                std::count(maps.begin(), maps.begin() + std::min<std::size_t>(info.nr_map_ids, maps.size()), timer.id)) {
                found.push_back(id);
            }
        }
        return found;
    }
};

TEST_P(UpkeepTimer, GoesOnWithoutTheAgent) {
    ASSERT_TRUE(start_and_die());
    expect_idle_flows_to_go();
}

TEST_P(UpkeepTimer, AnotherBuildTakesItOver) {
    ASSERT_TRUE(start_and_die());
    ASSERT_TRUE(within(std::chrono::seconds(5), [&] { return programs().size() == 1; }));
    const std::vector<__u32> first = programs();
    ASSERT_TRUE(start_and_die());
    EXPECT_TRUE(within(std::chrono::seconds(5), [&] { return programs().size() == 1 && programs() != first; }))
        << "the first one's program is still there";
    expect_idle_flows_to_go();
}

const auto IPV4_AND_IPV6 = testing::Values(Case{4, ::TCP, Program::XDP_INGRESS}, Case{6, ::TCP, Program::XDP_INGRESS});
const auto XDP_CASES = testing::Values(Case{4, ::TCP, Program::XDP_INGRESS}, Case{6, ::TCP, Program::XDP_INGRESS},
                                       Case{4, ::UDP, Program::XDP_INGRESS}, Case{6, ::UDP, Program::XDP_INGRESS});
const auto NAME = [](const auto& info) { return to_string(info.param); };

INSTANTIATE_TEST_SUITE_P(, UpkeepIdle, XDP_CASES, NAME);
INSTANTIATE_TEST_SUITE_P(, UpkeepGrowth, XDP_CASES, NAME);
INSTANTIATE_TEST_SUITE_P(, UpkeepTimer, IPV4_AND_IPV6, NAME);

}  // namespace
}  // namespace shunt::test
