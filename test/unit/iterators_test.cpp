// SPDX-License-Identifier: Apache-2.0
// What cat(1) reads under show/.
#include "agent/report/iterators.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "maps/event.h"
#include "pinned_node.h"

namespace shunt {
namespace {

class IteratorsTest : public testing::Test {
protected:
    void SetUp() override {
        if (geteuid() != 0) {
            GTEST_SKIP() << "pinning programs needs root";
        }
        node_.emplace();
        const auto pinned = pin_iterators(node_->pin_dir());
        ASSERT_TRUE(pinned) << pinned.error().message();
    }

    // The header, and the other lines in order: a hash has none of its own.
    std::vector<std::string> show(const std::string& name) {
        std::ifstream file(node_->pin_dir() + "/show/" + name);
        std::vector<std::string> lines;
        for (std::string line; std::getline(file, line);) {
            lines.push_back(line);
        }
        EXPECT_FALSE(lines.empty()) << name;
        std::sort(lines.begin() + 1, lines.end());
        return lines;
    }

    std::optional<PinnedNode> node_;
};

using Lines = std::vector<std::string>;

TEST_F(IteratorsTest, Services) {
    EXPECT_EQ(show("services"),
              (Lines{"ID     NAMESPACE            SERVICE                          PORT  PROTO IPV  TYPE         NODE-PORT POLICY  SLOTS  LOCAL  AFFINITY RANGES TREATMENT",
                     "1      shop                 orders                           8080  TCP   4    NodePort     32001     Cluster 10     0      0        0      served",
                     "2      shop                 orders                           8080  TCP   6    NodePort     32001     Cluster 10     0      0        0      served",
                     "3      shop                 policy                           8080  TCP   4    NodePort     32001     Cluster 0      0      0        0      "
                     "left to the stack: another has its frontend"}));
}

TEST_F(IteratorsTest, Frontends) {
    EXPECT_EQ(show("frontends"), (Lines{"PROTO FRONTEND                                        KIND         SERVICE-ID",
                                        "TCP   198.18.0.21:32001                               NodePort     1",
                                        "TCP   [2001:db8::21]:32001                            NodePort     2"}));
}

TEST_F(IteratorsTest, Backends) {
    const Lines lines = show("backends");
    ASSERT_EQ(lines.size(), 5U);
    EXPECT_EQ(lines[1], "1      1          TCP   198.18.10.11:8080                               here   ready                6      node-a");
    EXPECT_EQ(lines[3], "3      2          TCP   [2001:db8:20::11]:8080                          remote ready                10     node-b");
}

TEST_F(IteratorsTest, FlowsAreOneLineEach) {
    const Lines four = show("flows4");
    ASSERT_EQ(four.size(), 3U);
    EXPECT_EQ(four[0], "PROTO  client > frontend > backend  (what the backend sees as the source)  where state idle");
    EXPECT_EQ(replaced(four[1], " 1s ", " 0s "),
              "TCP    198.51.100.7:40001 > 198.18.0.21:32001 > 198.18.10.11:8080  (198.51.100.7:40001)  local established 0s  service-id 1");
    EXPECT_EQ(replaced(four[2], " 65s ", " 64s "),
              "TCP    198.51.100.7:40002 > 198.18.0.21:32001 > 198.18.20.11:8080  (198.18.0.21:10300)  remote half-open 64s  service-id 1");
    const Lines six = show("flows6");
    ASSERT_EQ(six.size(), 2U);
    EXPECT_TRUE(six[1].starts_with("TCP    [2001:db8:100::7]:40001 > [2001:db8::21]:32001 > [2001:db8:20::11]:8080  "
                                   "([2001:db8::21]:10301)  remote established "))
        << six[1];
}

TEST_F(IteratorsTest, CountersAreSummedOverCpus) {
    node_->count_on_each_cpu(FLOW_OPENED, 600);
    std::ostringstream expected;
    expected << "FLOW_OPENED                  " << std::setw(16) << 600 * sysconf(_SC_NPROCESSORS_CONF) << "  flow opened";
    const Lines lines = show("counters");
    EXPECT_EQ(lines.size(), std::size_t{EVENT_COUNT} + 1);
    EXPECT_NE(std::ranges::find(lines, expected.str()), lines.end());
}

TEST_F(IteratorsTest, EmptyMapShowsItsHeader) {
    for (const std::uint32_t id : {1, 2, 3}) {
        ASSERT_EQ(bpf_map_delete_elem(node_->map("services"), &id), 0);
    }
    EXPECT_EQ(show("services").size(), 1U);
}

// Far more lines than the kernel's buffer holds.
TEST_F(IteratorsTest, LargeMapIsShownWhole) {
    constexpr std::uint32_t kServices = 4000;
    for (std::uint32_t id = 4; id <= kServices; id++) {
        node_->add_service(id, ("service-" + std::to_string(id)).c_str());
    }
    for (int round = 0; round < 2; round++) {  // each reader begins anew
        const Lines lines = show("services");
        EXPECT_EQ(lines.size(), kServices + 1);
        EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()).size(), lines.size());
    }
}

TEST_F(IteratorsTest, PinningAgainReplaces) {
    EXPECT_TRUE(pin_iterators(node_->pin_dir()));
    EXPECT_EQ(show("services").size(), 4U);
    for (const auto& entry : std::filesystem::directory_iterator(node_->pin_dir() + "/show")) {
        EXPECT_FALSE(entry.path().filename().string().ends_with("_new")) << entry.path();
    }
}

TEST(IteratorsErrors, NothingPinned) {
    if (geteuid() != 0) {
        GTEST_SKIP();
    }
    EXPECT_FALSE(pin_iterators("/sys/fs/bpf/shunt-test-nowhere"));
    rmdir("/sys/fs/bpf/shunt-test-nowhere/show");
    rmdir("/sys/fs/bpf/shunt-test-nowhere");
}

}  // namespace
}  // namespace shunt
