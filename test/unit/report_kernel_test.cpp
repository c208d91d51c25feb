// SPDX-License-Identifier: Apache-2.0
// The commands over real pinned maps, with no agent.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <optional>
#include <sstream>

#include "agent/command/command.h"
#include "agent/plan/service_key.h"
#include "agent/report/status_view.h"
#include "agent/support/clock.h"
#include "maps/device.h"
#include "maps/event.h"
#include "pinned_node.h"

namespace shunt {
namespace {

namespace json = boost::json;

struct Outcome {
    int code;
    std::string out;
    std::string error;
};

class CommandsTest : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "pinning maps needs root";
        }
        node_.emplace();
    }

    Outcome run(int (*command)(const Arguments&, const Output&), Arguments arguments) {
        arguments.insert(arguments.end(), {"--pin-dir", node_->pin_dir()});
        std::ostringstream out;
        std::ostringstream error;
        const int code = command(arguments, {.out = out, .error = error});
        return {code, out.str(), error.str()};
    }

    json::object run_json(int (*command)(const Arguments&, const Output&), Arguments arguments) {
        arguments.insert(arguments.end(), {"-o", "json"});
        return json::parse(run(command, arguments).out).as_object();
    }

    std::optional<PinnedNode> node_;
};

TEST_F(CommandsTest, ServicesTable) {
    const Outcome outcome = run(services_command, {});
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_EQ(outcome.out,
              "NAMESPACE  SERVICE      TYPE      FRONTENDS    POLICY   READY               FLOWS  OPENED  DROPS  NOTE\n"
              "shop       orders:8080  NodePort  *:32001/TCP  Cluster  IPv4 2/3, IPv6 1/1      3   3,000      1\n"
              "shop       policy:8080  NodePort  -            Cluster  0/0                     0   3,000      2  left to the stack: "
              "another Service has one of its frontends\n");
}

TEST_F(CommandsTest, ServicesInDetail) {
    const std::string expected =
        "shop/orders:8080/TCP   NodePort   externalTrafficPolicy Cluster\n"
        "Frontends   *:32001 (198.18.0.21, 2001:db8::21)\n"
        "Flows       3 now, 3,000 opened, 1 drops, 1 rescued (the SYN was sent again and went to another backend), 0 passed over "
        "a backend that does not answer\n"
        "BACKEND                 NODE    STATE      SHARE  FLOWS  NOTE\n"
        "198.18.10.11:8080       here    ready        60%      1\n"
        "198.18.20.11:8080       node-b  ready        40%      1\n"
        "198.18.20.12:8080       node-b  not-ready      -      0  not used: not ready\n"
        "[2001:db8:20::11]:8080  node-b  ready       100%      1\n";
    EXPECT_EQ(run(services_command, {"shop/orders"}).out, expected);
    EXPECT_EQ(run(services_command, {"-n", "shop", "orders:8080"}).out, expected);
    EXPECT_EQ(run(services_command, {"shop/missing"}).code, 1);
    EXPECT_EQ(run(services_command, {"-n", "elsewhere"}).code, 0);
}

TEST_F(CommandsTest, SourceRangesOfAService) {
    const std::uint32_t id = 1;
    service orders{};
    ASSERT_EQ(bpf_map_lookup_elem(node_->map("services"), &id, &orders), 0);
    orders.source_ranges = 2;
    orders.affinity_timeout_s = 600;
    node_->put("services", &id, &orders);
    for (const char* range : {"192.0.2.0/24", "198.51.100.7/32"}) {
        const IpPrefix prefix = *IpPrefix::parse(range);
        const source_range_key key = range_key(id, prefix);
        const source_range value{.prefix_length = prefix.length};
        node_->put("source_ranges", &key, &value);
    }
    const std::string detail = run(services_command, {"shop/orders"}).out;
    EXPECT_NE(detail.find("affinity ClientIP 10m00s"), std::string::npos) << detail;
    EXPECT_NE(detail.find("192.0.2.0/24"), std::string::npos) << detail;
    const json::object parsed = run_json(services_command, {"shop/orders"});
    EXPECT_EQ(parsed.at("services").as_array().at(0).at("sourceRanges").as_array().size(), 2U);
    EXPECT_EQ(parsed.at("services").as_array().at(0).at("affinityTimeoutSeconds").to_number<int>(), 600);
}

TEST_F(CommandsTest, ServicesForPrograms) {
    const json::object parsed = run_json(services_command, {});
    const json::array& services = parsed.at("services").as_array();
    ASSERT_EQ(services.size(), 2U);
    EXPECT_EQ(services[0].at("name").as_string(), "orders");
    EXPECT_EQ(services[0].at("backends").as_array().size(), 4U);
    EXPECT_NE(run(services_command, {"-o", "wide"}).out.find("NEW/S"), std::string::npos);
}

TEST_F(CommandsTest, Flows) {
    const Outcome outcome = run(flows_command, {});
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    // A flow is as idle as its busier direction: the second one had an answer just now.
    EXPECT_EQ(replaced(outcome.out, " 1s\n", " 0s\n"),
              "PROTO  CLIENT                   FRONTEND              BACKEND                 SNAT                  KIND    STATE        IDLE\n"
              "TCP    198.51.100.7:40001       198.18.0.21:32001     198.18.10.11:8080       -                     local   established    0s\n"
              "TCP    198.51.100.7:40002       198.18.0.21:32001     198.18.20.11:8080       198.18.0.21:10300     remote  half-open      0s\n"
              "TCP    [2001:db8:100::7]:40001  [2001:db8::21]:32001  [2001:db8:20::11]:8080  [2001:db8::21]:10301  remote  established    0s\n");
}

TEST_F(CommandsTest, FlowsFiltered) {
    const auto count = [&](const Arguments& arguments) {
        return run_json(flows_command, arguments).at("flows").as_array().size();
    };
    EXPECT_EQ(count({}), 3U);
    EXPECT_EQ(count({"--client", "198.51.100.7"}), 2U);
    EXPECT_EQ(count({"--client", "2001:db8:100::7"}), 1U);
    EXPECT_EQ(count({"--backend", "198.18.20.11"}), 1U);
    EXPECT_EQ(count({"--backend", "[2001:db8:20::11]:8080"}), 1U);
    EXPECT_EQ(count({"--backend", "198.18.20.11:81"}), 0U);
    EXPECT_EQ(count({"--service", "shop/orders"}), 3U);
    EXPECT_EQ(count({"--service", "shop/orders:8080", "--client", "198.51.100.7"}), 2U);
    EXPECT_EQ(count({"--service", "shop/policy"}), 0U);
    EXPECT_EQ(count({"--proto", "udp"}), 0U);
    EXPECT_EQ(run(flows_command, {"--proto", "udp"}).out, "No flow.\n");
    EXPECT_EQ(run(flows_command, {"--service", "shop/missing"}).code, 1);
}

TEST_F(CommandsTest, Counters) {
    EXPECT_EQ(run(counters_command, {}).out, "Nothing was counted so far (--all shows the zeros).\n");
    const std::uint64_t cpus = sysconf(_SC_NPROCESSORS_CONF);
    node_->count_on_each_cpu(FLOW_OPENED, 600);
    node_->count_on_each_cpu(DROP_SNAT_PORTS_EXHAUSTED, 1);
    const Outcome outcome = run(counters_command, {});
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    EXPECT_NE(outcome.out.find("DROP_SNAT_PORTS_EXHAUSTED: many flows to one backend; next: widen --snat-ports; add backends\n"),
              std::string::npos)
        << outcome.out;
    const json::array events = run_json(counters_command, {}).at("events").as_array();
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].at("name").as_string(), "FLOW_OPENED");
    EXPECT_EQ(events[0].at("count").to_number<std::uint64_t>(), 600 * cpus);
    EXPECT_EQ(run_json(counters_command, {"--all"}).at("events").as_array().size(), std::size_t{EVENT_COUNT});
    EXPECT_EQ(run(counters_command, {"--service"}).out,
              "SERVICE           FLOWS-OPENED  DROPS  RESCUED  SKIPPED\n"
              "shop/orders:8080         3,000      1        1        0\n"
              "shop/policy:8080         3,000      2        2        0\n");
}

// As a closed pipe: takes one table and no more.
class OneTable : public std::stringbuf {
    int sync() override { return str().empty() || tables_++ == 0 ? 0 : -1; }
    int tables_ = 0;
};

TEST_F(CommandsTest, CountersWatchedUntilNobodyReads) {
    node_->count_on_each_cpu(FLOW_OPENED, 1);
    OneTable buffer;
    std::ostream out(&buffer);
    std::ostringstream error;
    EXPECT_EQ(counters_command({"-w", "0.1", "--pin-dir", node_->pin_dir()}, {.out = out, .error = error}), 0);
    EXPECT_TRUE(buffer.str().starts_with("KIND  EVENT        COUNT  RATE  MEANING\nflow  FLOW_OPENED")) << buffer.str();
    EXPECT_NE(buffer.str().find("  0/s  flow opened\n"), std::string::npos) << buffer.str();
}

TEST_F(CommandsTest, StatusBelievesTheKernelNotTheMap) {
    device value{};
    std::strcpy(value.name, "gone0");
    value.mtu = 1500;
    value.xdp = XDP_NATIVE;
    value.tc = TC_TCX;
    const std::uint32_t ifindex = 2000000;
    node_->put("devices", &ifindex, &value);
    const Outcome outcome = run(status_command, {});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.out.find("DEGRADED"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("gone0   gone  gone  1500"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("gone0: XDP: its link is not pinned any more; restart the agent, it attaches again"),
              std::string::npos)
        << outcome.out;
    EXPECT_NE(outcome.out.find("Flows     3 of 8,192 (<1%; 4,096 for each address family)"), std::string::npos) << outcome.out;
    EXPECT_NE(outcome.out.find("Services  2   frontends 2   backends 4   without endpoints 0   left to the stack 1"),
              std::string::npos)
        << outcome.out;
    EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST_F(CommandsTest, StatusOfADeadAgent) {
    agent_state state{};
    state.heartbeat_ns = monotonic_ns() - 60000000000;
    state.pid = 0x7ffffffe;  // above any pid_max
    state.sync = AGENT_SYNCED;
    node_->put_agent(state);
    const json::object parsed = run_json(status_command, {});
    EXPECT_FALSE(parsed.at("ok").as_bool());
    EXPECT_FALSE(parsed.at("agent").at("alive").as_bool());
    EXPECT_EQ(parsed.at("problems").as_array()[0].as_string(),
              "the agent (pid 2147483646) is gone, silent for 1m00s: start it; traffic goes on meanwhile");
}

TEST_F(CommandsTest, StatusWaitsAndGivesUp) {
    const auto begin = monotonic_ns();
    EXPECT_EQ(run(status_command, {"--wait", "0.4"}).code, 1);
    EXPECT_GE(monotonic_ns() - begin, 400000000U);
}

TEST_F(CommandsTest, AnotherAbiIsRefusedWithTheNextStep) {
    control value{};
    value.abi = SHUNT_ABI + 1;
    node_->put_control(value);
    for (const auto command : {status_command, services_command, flows_command, counters_command}) {
        const Outcome outcome = run(command, {});
        EXPECT_EQ(outcome.code, 1);
        EXPECT_NE(outcome.error.find("use the binary of the agent that made them"), std::string::npos) << outcome.error;
    }
    EXPECT_EQ(run(detach_command, {"--purge"}).code, 0);
}

TEST_F(CommandsTest, DetachRefusesWhileAnAgentLives) {
    const Fd agent(open(node_->pin_dir().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(flock(agent.get(), LOCK_EX), 0);
    const Outcome refused = run(detach_command, {});
    EXPECT_EQ(refused.code, 1);
    EXPECT_NE(refused.error.find("stop it first"), std::string::npos) << refused.error;
    EXPECT_EQ(run(detach_command, {"--force"}).code, 0);
}

TEST_F(CommandsTest, DetachKeepsTheMapsAndPurgeGivesThemUp) {
    const std::string& pin_dir = node_->pin_dir();
    // Any object will do in the place of a program's or link's pin.
    ASSERT_EQ(bpf_obj_pin(node_->map("slots"), (pin_dir + "/programs/xdp_ingress").c_str()), 0);
    ASSERT_EQ(bpf_obj_pin(node_->map("slots"), (pin_dir + "/links/xdp_2000000").c_str()), 0);
    const Outcome detached = run(detach_command, {});
    EXPECT_EQ(detached.code, 0) << detached.error;
    EXPECT_EQ(detached.out, "Programs taken off ifindex 2000000.\nThe maps stay at " + pin_dir + " (--purge gives them up).\n");
    EXPECT_FALSE(std::filesystem::exists(pin_dir + "/programs/xdp_ingress"));
    EXPECT_FALSE(std::filesystem::exists(pin_dir + "/links/xdp_2000000"));
    EXPECT_TRUE(std::filesystem::exists(pin_dir + "/flows4"));
    EXPECT_EQ(run(detach_command, {"--purge"}).out, "No device had programs.\nMaps given up.\n");
    EXPECT_FALSE(std::filesystem::exists(pin_dir));
    EXPECT_EQ(run(detach_command, {"--purge"}).code, 0);
}

TEST(DetachTest, LeavesOtherFileSystemsAlone) {
    const auto folder = std::filesystem::temp_directory_path() / ("shunt-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder / "links");
    std::ostringstream out;
    std::ostringstream error;
    EXPECT_EQ(detach_command({"--purge", "--pin-dir", folder}, {.out = out, .error = error}), 1);
    EXPECT_TRUE(std::filesystem::exists(folder / "links"));
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace shunt
