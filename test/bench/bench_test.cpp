// SPDX-License-Identifier: Apache-2.0
// `shunt bench`: each path has its figure, and a path that does not do its work has none.
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <set>
#include <sstream>

#include "agent/bench/measure.h"
#include "agent/command/command.h"
#include "maps/control.h"
#include "test/bench/flood.h"

#include "idle.skel.h"

namespace shunt {
namespace {

namespace json = boost::json;

class BenchTest : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "loads BPF programs and makes a network namespace: needs root";
        }
    }

    // As short as can be: what is checked does not depend on it.
    static bench::Options short_options() {
        bench::Options options;
        options.flows = {1, 1024};
        options.rounds = 1;
        options.batch_ms = 0.1;
        options.max_flows = 4096;
        return options;
    }

    static bench::Report measure(const bench::Options& options, const bench::Contestant& contestant) {
        return bench::measure(options, {&contestant, 1}, [](const std::string&) {});
    }

    // Nothing but complaints that have this in them.
    static void expect_refused(const bench::Report& report, std::size_t complaints, const std::string& words) {
        EXPECT_EQ(report.figures.size(), 0U);
        EXPECT_EQ(report.failures.size(), complaints);
        for (const Error& failure : report.failures) {
            EXPECT_NE(failure.message().find(words), std::string::npos) << failure.message();
        }
    }
};

std::string words(const std::vector<Error>& failures) {
    std::string text;
    for (const Error& failure : failures) {
        text += failure.message() + '\n';
    }
    return text;
}

struct Outcome {
    int code;
    std::string out, error;
};

Outcome run(const Arguments& arguments) {
    std::ostringstream out;
    std::ostringstream error;
    const int code = bench_command(arguments, {.out = out, .error = error});
    return {code, out.str(), error.str()};
}

TEST_F(BenchTest, EveryPathOfEachFamilyAndHookHasAFigure) {
    const std::string before = std::filesystem::read_symlink("/proc/thread-self/ns/net");
    const bench::Report report = measure(short_options(), bench::own_programs());
    EXPECT_EQ(words(report.failures), "");
    std::set<std::string> expected;
    for (const char* family : {" 4 ", " 6 "}) {
        for (const char* path : {"pass", "refused", "local-request", "remote-request", "remote-reply"}) {
            for (const char* rest : {"xdp 1", "xdp 1024", "tc 1", "tc 1024"}) {
                expected.insert(path + std::string(family) + rest);
            }
        }
        for (const char* path : {"new-local", "new-remote"}) {
            expected.insert(path + std::string(family) + "xdp 1024");
            expected.insert(path + std::string(family) + "tc 1024");
        }
        expected.insert("local-reply" + std::string(family) + "tc 1");
        expected.insert("local-reply" + std::string(family) + "tc 1024");
    }
    std::set<std::string> seen;
    for (const bench::Figure& figure : report.figures) {
        seen.insert(std::string(bench::name(figure.path)) + ' ' + std::to_string(figure.family) + ' ' +
                    std::string(bench::name(figure.hook)) + ' ' + std::to_string(figure.flows));
        EXPECT_EQ(figure.rounds.size(), 1U);
        EXPECT_GT(figure.floor_ns, 0);
    }
    EXPECT_EQ(seen, expected);
    EXPECT_EQ(report.figures.size(), expected.size());
    EXPECT_EQ(std::filesystem::read_symlink("/proc/thread-self/ns/net"), before);
}

TEST_F(BenchTest, ContestantsAreMeasuredSideBySide) {
    bench::Options options = short_options();
    options.families = {IPV4};
    options.flows = {1000};
    options.paths = {bench::Path::pass};
    options.hooks = {bench::Hook::xdp};
    options.visits = bench::Visits::zipf;
    options.rounds = 3;
    const std::vector contestants = {bench::own_programs(), sized_to_the_load(bench::own_programs(), "small")};
    const bench::Report report = bench::measure(options, contestants, [](const std::string&) {});
    EXPECT_EQ(words(report.failures), "");
    ASSERT_EQ(report.figures.size(), 2U);
    EXPECT_EQ(report.figures[0].contestant, "shunt");
    EXPECT_EQ(report.figures[1].contestant, "small");
    EXPECT_EQ(report.figures[1].rounds.size(), 3U);
}

TEST_F(BenchTest, CommandPrintsJson) {
    const Outcome outcome =
        run({"--quick", "--rounds", "1", "--flows", "1", "--family", "4", "--path", "pass", "-o", "json"});
    EXPECT_EQ(outcome.code, kExitDone) << outcome.error;
    const json::array results = json::parse(outcome.out).at("results").as_array();
    ASSERT_EQ(results.size(), 2U);
    const json::object& first = results[0].as_object();
    EXPECT_EQ(first.at("path"), "pass");
    EXPECT_EQ(first.at("family"), "IPv4");
    EXPECT_EQ(first.at("hook"), "xdp");
    EXPECT_EQ(first.at("flows"), 1);
    for (const char* key : {"ns", "min", "max", "floor_ns"}) {
        EXPECT_TRUE(first.at(key).is_number()) << key;
    }
    EXPECT_EQ(results[1].at("hook"), "tc");
}

TEST_F(BenchTest, CommandPrintsATable) {
    const Outcome outcome =
        run({"--quick", "--rounds", "1", "--flows", "1", "--family", "6", "--hook", "tc", "--path", "pass"});
    EXPECT_EQ(outcome.code, kExitDone) << outcome.error;
    EXPECT_TRUE(outcome.out.starts_with("PATH  FAMILY  HOOK  FLOWS")) << outcome.out;
    EXPECT_NE(outcome.out.find("\npass  IPv6    tc        1"), std::string::npos) << outcome.out;
}

// Right counters and actions, no work.
TEST_F(BenchTest, ProgramsThatLeaveThePacketAsItIsHaveNoFigure) {
    const bench::Contestant idle{.name = "idle",
                                 .load =
                                     [](const bench::Room&) {
                                         std::size_t length = 0;
                                         const void* bytes = idle_bpf::elf_bytes(&length);
                                         return bench::load_object("idle", bytes, length, [](bpf_object&) {});
                                     },
                                 .tend = {}};
    bench::Options options = short_options();
    options.flows = {1};
    options.paths = {bench::Path::remote_request, bench::Path::remote_reply};
    expect_refused(measure(options, idle), 8, "the packet came out as");
}

// Moved routes: each packet would ask the FIB, and a benchmark of that would be one of something else.
TEST_F(BenchTest, PacketsThatTakeAnotherPathAreNoticed) {
    bench::Contestant restless = bench::own_programs();
    restless.tend = [](bpf_object& object) -> Status {
        const std::uint32_t zero = 0;
        control entry{};
        const int fd = bpf_object__find_map_fd_by_name(&object, "control");
        bpf_map_lookup_elem(fd, &zero, &entry);
        entry.route_epoch++;
        bpf_map_update_elem(fd, &zero, &entry, BPF_ANY);
        return {};
    };
    bench::Options options = short_options();
    options.flows = {1};
    options.paths = {bench::Path::remote_request, bench::Path::remote_reply};
    expect_refused(measure(options, restless), 8, "ROUTE_REFRESHED");
}

TEST_F(BenchTest, FlowsThatFindNoRoomAreNoticed) {
    bench::Options options = short_options();
    options.flows = {65536};
    options.max_flows = 1024;
    options.families = {IPV4};
    options.paths = {bench::Path::new_local, bench::Path::remote_request};
    options.hooks = {bench::Hook::xdp};
    expect_refused(measure(options, bench::own_programs()), 2, "");
}

// The frontend is gone: packets pass, faster than any that are forwarded.
TEST_F(BenchTest, ACommonFailureOfTheSceneIsNoticed) {
    bench::Contestant emptied = bench::own_programs();
    emptied.tend = [](bpf_object& object) -> Status {
        const int fd = bpf_object__find_map_fd_by_name(&object, "services");
        const std::uint32_t served = 1;
        bpf_map_delete_elem(fd, &served);
        return {};
    };
    bench::Options options = short_options();
    options.paths = {bench::Path::new_local};
    options.families = {IPV6};
    expect_refused(measure(options, emptied), 2, "DROP_STALE_SLOT");
}

// Four times as many sources as there is room for.
TEST_F(BenchTest, AFloodTakesNoEstablishedFlowsPlace) {
    const bench::Flood small{.syns = 65536, .established = 1000, .max_flows = 16384, .slice = 10000, .honest = 10};
    bench::in_scratch_network([&](const Result<bench::ScratchNetwork>& network) {
        ASSERT_TRUE(network) << network.error().message();
        const auto outcome = bench::flood(bench::own_programs(), *network, small);
        ASSERT_TRUE(outcome) << outcome.error().message();
        EXPECT_EQ(outcome->established_lost, 0U);
        EXPECT_GT(outcome->ns_per_syn, 0);
    });
}

TEST(BenchCommand, WrongUsage) {
    EXPECT_EQ(run({"--path", "pass,passs"}).error,
              "shunt bench: --path passs: there is no such path (shunt bench --help)\n");
    EXPECT_EQ(run({"--flows", "1,,2"}).error, "shunt bench: --flows : from 1 to 1048576 (shunt bench --help)\n");
    EXPECT_EQ(run({"--flows", ""}).code, kExitUsage);
    EXPECT_EQ(run({"--family", "5"}).error, "shunt bench: --family 5: it is 4 or 6 (shunt bench --help)\n");
    EXPECT_EQ(run({"--hook", "xpd"}).error, "shunt bench: --hook xpd: it is xdp or tc (shunt bench --help)\n");
    EXPECT_EQ(run({"--visits", "x"}).code, kExitUsage);
    EXPECT_EQ(run({"--rounds", "0"}).code, kExitUsage);
    EXPECT_EQ(run({"--path", "new-local", "--flows", "1"}).error,
              "shunt bench: --flows: the paths that open flows take 1024 or more (shunt bench --help)\n");
}

}  // namespace
}  // namespace shunt
