// SPDX-License-Identifier: Apache-2.0
// Random changes, planned one by one, must end where one plan from scratch ends; restarts in between must not show.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "plan_support.h"

namespace shunt::test {
namespace {

class RandomCluster : public Cluster {
public:
    RandomCluster(unsigned seed, bool with_conflicts, const MapLimits& limits = {.slots = 1 << 16})
        : Cluster(limits), random_(seed), with_conflicts_(with_conflicts) {
        put(node(kOwnNode, {"198.18.0.21", "2001:db8::21"}));
    }

    void change_something() {
        switch (below(10)) {
            case 0:
                remove_service(snapshot, {"shop", name()}, change);
                return;
            case 1:
            case 2:
            case 3:
                return change_service();
            case 4:
                remove_slice(snapshot, {"shop", name() + '-' + std::to_string(below(3))}, change);
                return;
            case 5:
                if (below(4) == 0) {
                    change_node();
                    return;
                }
                [[fallthrough]];
            default:
                return change_slice();
        }
    }
    unsigned below(unsigned bound) { return std::uniform_int_distribution<unsigned>(0, bound - 1)(random_); }

private:
    std::string name() { return {static_cast<char>('a' + below(8))}; }

    void change_node() {
        std::vector<std::string> addresses{"198.18.0.21"};
        if (below(2) != 0) {
            addresses.push_back("2001:db8::21");
        }
        if (below(2) != 0) {
            addresses.push_back("198.18.0.2" + std::to_string(2 + below(2)));
        }
        Node changed = node(kOwnNode, addresses);
        changed.zone = std::array{"", "zone-a", "zone-b"}[below(3)];
        put(changed);
        options.device_addresses->clear();
        for (const char* address : {"198.51.100.1", "198.51.100.11", "198.51.100.22", "2001:db8:f::1"}) {
            if (below(2) != 0) {
                options.device_addresses->insert(ip(address));
            }
        }
        if (below(8) == 0) {
            remove_node(snapshot, kOwnNode, change);
            plan();
            put(changed);
        }
    }

    void change_service() {
        const std::string which = name();
        const unsigned number = static_cast<unsigned>(which[0] - 'a');
        Service changed = node_port_service(which, static_cast<std::uint16_t>(30000 + 2 * number + below(2)));
        changed.type = std::array{ServiceType::cluster_ip, ServiceType::node_port, ServiceType::load_balancer,
                                  ServiceType::node_port, ServiceType::external_name}[below(5)];
        changed.ports.front().name = below(3) == 0 ? "http" : "";
        if (below(3) == 0) {
            changed.ports.push_back(
                {.name = "dns", .protocol = UDP, .port = 53, .node_port = changed.ports[0].node_port});
        }
        const unsigned pool = with_conflicts_ ? 0 : number;
        for (unsigned i = below(4); i != 0; --i) {
            const std::string last = std::to_string(10 * pool + below(4) + 1);
            changed.external_ips.push_back(ip((below(4) == 0 ? "2001:db8:f::" : "203.0.113.") + last));
        }
        if (below(2) != 0) {
            changed.ingress_ips.push_back(ip("198.51.100." + std::to_string(10 * pool + below(3) + 1)));
        }
        changed.external_traffic_policy = below(3) == 0 ? TrafficPolicy::local : TrafficPolicy::cluster;
        changed.affinity_timeout_s = below(8) == 0 ? 10800 : 0;
        for (unsigned i = below(3) * below(3); i != 0; --i) {
            changed.source_ranges.push_back(prefix(std::array{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.7/32", "0.0.0.0/0",
                                                              "2001:db8::/32", "2001:db8:7::/48"}[below(6)]));
        }
        if (below(8) == 0) {
            changed.unreadable_source_ranges = {"anywhere"};
        }
        put(changed);
    }

    void change_slice() {
        const std::string of = name();
        EndpointSlice changed = slice(of + '-' + std::to_string(below(3)), of, {});
        changed.family = below(4) == 0 ? IPV6 : IPV4;
        changed.ports = {{.name = "", .port = static_cast<std::uint16_t>(8080 + below(2))},
                         {.name = "http", .port = 8088},
                         {.name = "dns", .protocol = UDP, .port = 5353}};
        for (unsigned i = below(9); i != 0; --i) {
            const std::string last = std::to_string(below(12) + 1);
            Endpoint one = endpoint((changed.family == IPV6 ? "2001:db8:1::" : "198.19.0.") + last,
                                    std::array{"node-a", "node-b", "node-c", ""}[below(4)], below(4) != 0);
            one.terminating = below(4) == 0;
            one.serving = below(3) != 0;
            if (below(6) != 0) {
                one.zone_hints = {std::array{"zone-a", "zone-b"}[below(2)]};
            }
            if (below(6) != 0) {
                one.node_hints = {std::array{"node-a", "node-b"}[below(2)]};
            }
            changed.endpoints.push_back(one);
        }
        put(changed);
    }

    std::mt19937 random_;
    bool with_conflicts_;
};

unsigned first_seed() {
    const char* given = std::getenv("SHUNT_TEST_SEED");
    const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device{}();
    testing::Test::RecordProperty("seed", static_cast<int>(seed));
    std::printf("SHUNT_TEST_SEED=%u\n", seed);
    return seed;
}

std::map<IpAddress, std::uint32_t> remote_addresses(const FakeMaps& maps) {
    std::map<IpAddress, std::uint32_t> found;
    for (const auto& [id, value] : maps.backends) {
        if (value.placement == BACKEND_REMOTE) {
            ++found[identity_of(value).address];
        }
    }
    return found;
}

TEST(PlannerRandom, StepByStepEqualsFromScratch) {
    const unsigned seed = first_seed();
    for (unsigned run = 0; run < 5 && !testing::Test::HasFailure(); ++run) {
        RandomCluster cluster(seed + run, false);
        for (int step = 0; step < 60 && !testing::Test::HasFailure(); ++step) {
            for (unsigned changes = cluster.below(4); changes-- != 0;) {
                cluster.change_something();
            }
            cluster.plan();
            if (cluster.below(8) == 0) {
                cluster.restart();
                EXPECT_TRUE(cluster.plan().operations.empty()) << "a restart wrote something";
            }
            Cluster fresh;
            fresh.snapshot = cluster.snapshot;
            fresh.options.device_addresses = cluster.options.device_addresses;
            fresh.plan();
            EXPECT_EQ(cluster.maps.answers(), fresh.maps.answers()) << "seed " << seed << " run " << run;
            EXPECT_EQ(cluster.maps.local_answers(), fresh.maps.local_answers()) << "seed " << seed << " run " << run;
            EXPECT_EQ(cluster.maps.whole_addresses(), fresh.maps.whole_addresses()) << "seed " << seed << " run " << run;
            for (const auto& [key, record] : cluster.state.services) {
                EXPECT_EQ(cluster.maps.ranges_of(record.id), fresh.maps.ranges_of(fresh.maps.id_of(key)));
                EXPECT_EQ(cluster.maps.find(key)->source_ranges, fresh.maps.find(key)->source_ranges);
            }
            EXPECT_EQ(cluster.maps.treatments(), fresh.maps.treatments()) << "seed " << seed << " run " << run;
            EXPECT_EQ(cluster.maps.listed_backends(), fresh.maps.listed_backends()) << "seed " << seed;
            EXPECT_EQ(cluster.state.slices.in_use(), fresh.state.slices.in_use());
            EXPECT_EQ(cluster.state.treatments, fresh.state.treatments);
            EXPECT_EQ(cluster.state.remote_addresses, remote_addresses(cluster.maps)) << "seed " << seed << " run " << run;
        }
    }
}

// Who holds a contested frontend depends on history; that it is held, wholly or not at all, does not.
void check_contested(const Cluster& cluster) {
    for (const auto& [key, record] : cluster.state.services) {
        EXPECT_EQ(record.value.treatment == LEFT_FRONTEND_TAKEN, !record.awaited.empty());
        for (const frontend_key& awaited : record.awaited) {
            EXPECT_TRUE(cluster.maps.frontends.contains(awaited)) << "waits for a frontend that is free";
            EXPECT_TRUE(cluster.state.waiting.at(awaited).contains(key));
        }
        EXPECT_TRUE(record.value.treatment == SERVED || record.frontends.empty());
        for (const auto& [held, kind] : record.frontends) {
            EXPECT_EQ(cluster.maps.frontends.at(held).service, record.id);
        }
    }
    EXPECT_EQ(cluster.maps.frontends.size(), cluster.state.owners.size() + cluster.maps.whole_addresses().size());
    EXPECT_EQ(cluster.maps.source_ranges.size(), cluster.state.range_count);
}

TEST(PlannerRandom, ContestedFrontendsAreHeldByOneService) {
    const unsigned seed = first_seed();
    for (unsigned run = 0; run < 5 && !testing::Test::HasFailure(); ++run) {
        RandomCluster cluster(seed + run, true);
        for (int step = 0; step < 60 && !testing::Test::HasFailure(); ++step) {
            for (unsigned changes = cluster.below(4); changes-- != 0;) {
                cluster.change_something();
            }
            cluster.plan();
            check_contested(cluster);
            if (cluster.below(8) == 0) {
                const auto answers = cluster.maps.answers();
                cluster.restart();
                cluster.plan();
                EXPECT_EQ(cluster.maps.answers(), answers) << "a restart changed hands";
                check_contested(cluster);
            }
        }
    }
}

TEST(PlannerRandom, SmallMapsNeverOverflow) {
    const unsigned seed = first_seed();
    for (unsigned run = 0; run < 5 && !testing::Test::HasFailure(); ++run) {
        RandomCluster cluster(seed + run, true, {.services = 9, .backends = 40, .frontends = 18, .slots = 3500, .source_ranges = 8});
        for (int step = 0; step < 60 && !testing::Test::HasFailure(); ++step) {
            for (unsigned changes = cluster.below(4); changes-- != 0;) {
                cluster.change_something();
            }
            cluster.options.now_ns += cluster.below(2) * SLOT_GRACE_NS;
            cluster.plan();
            check_contested(cluster);
        }
    }
}

}  // namespace
}  // namespace shunt::test
