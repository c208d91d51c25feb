// SPDX-License-Identifier: Apache-2.0
// A new agent on the maps of the old one: nothing needless is written, nothing is pruned too early, and what an
// agent left half done is mended.
#include <algorithm>

#include "plan_support.h"

namespace shunt::test {
namespace {

const ServiceKey kWeb{.name = {"shop", "web"}, .port = 80};

class RestartTest : public testing::Test, public Cluster {
protected:
    RestartTest() {
        put(node("node-a", {"198.18.0.21"}));
        for (std::string name : {"api", "web"}) {
            Service service = node_port_service(name, name == "api" ? 30001 : 30002);
            service.type = ServiceType::load_balancer;
            service.external_traffic_policy = TrafficPolicy::local;
            service.source_ranges = {prefix("192.0.2.0/24")};
            put(service);
            put(slice(name + "-1", name,
                      {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b"),
                       endpoint("198.19.0.3", "node-b", false)}));
        }
        plan();
        before_ = maps.answers();
        local_before_ = maps.local_answers();
        restart();
    }
    std::uint32_t id_of_web() const { return maps.id_of(kWeb); }
    void forget(const std::string& name) {
        remove_service(snapshot, {"shop", name}, change);
        remove_slice(snapshot, {"shop", name + "-1"}, change);
        change = {};  // the new agent has never seen it
    }
    std::map<std::string, FakeMaps::Answer> before_, local_before_;
};

TEST_F(RestartTest, NothingIsWrittenIfNothingChanged) {
    EXPECT_TRUE(plan().operations.empty());
    EXPECT_EQ(state.treatments[SERVED], 2U);
}

TEST_F(RestartTest, IdsAreKeptWhenSomethingChanged) {
    const std::uint32_t id = id_of_web();
    put(slice("web-1", "web", {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.9", "node-b")}));
    plan();
    EXPECT_EQ(id_of_web(), id);
    EXPECT_EQ(maps.services.size(), 2U);
}

TEST_F(RestartTest, WarningsAreSaidAgain) {
    options.snat_addresses = {ip("198.18.0.21")};
    put(node_port_service("web", 20000));
    EXPECT_EQ(plan().warnings.size(), 1U);
    restart();
    EXPECT_EQ(plan().warnings.size(), 1U);
    EXPECT_TRUE(plan().warnings.empty());
}

TEST_F(RestartTest, UnseenServicesStayUntilPrune) {
    forget("web");
    options.prune = false;
    EXPECT_TRUE(plan().operations.empty());
    change.services.insert(kWeb.name);
    EXPECT_TRUE(plan().operations.empty());
    options.prune = true;
    plan();
    EXPECT_EQ(maps.services.size(), 1U);
    EXPECT_EQ(maps.frontends.size(), 1U);
}

TEST_F(RestartTest, ServicesThatWereSeenGoEvenWithoutPrune) {
    options.prune = false;
    plan();
    remove_service(snapshot, kWeb.name, change);
    plan();
    EXPECT_EQ(maps.services.size(), 1U);
}

TEST_F(RestartTest, UnseenEndpointsStayUntilPrune) {
    remove_slice(snapshot, {"shop", "web-1"}, change);
    options.prune = false;
    EXPECT_TRUE(plan().operations.empty());
    // A second slice turns up: its endpoints are added, the others stay.
    put(slice("web-2", "web", {endpoint("198.19.0.9", "node-b")}));
    plan();
    EXPECT_EQ(std::get<2>(maps.answers().at("198.18.0.21 30002 tcp")).size(), 3U);
    // What was seen goes when it is no longer there.
    put(slice("web-2", "web", {endpoint("198.19.0.8", "node-b")}));
    plan();
    EXPECT_EQ(std::get<2>(maps.answers().at("198.18.0.21 30002 tcp")).size(), 3U);
    options.prune = true;
    plan();
    EXPECT_EQ(std::get<2>(maps.answers().at("198.18.0.21 30002 tcp")).size(), 1U);
}

TEST_F(RestartTest, AnotherPortOfAnUnseenEndpointReplacesIt) {
    options.prune = false;
    put(slice("web-1", "web", {endpoint("198.19.0.1", "node-a"), endpoint("198.19.0.2", "node-b")}, 9090));
    plan();
    const auto answers = maps.answers();
    for (const auto& [identity, placement] : std::get<2>(answers.at("198.18.0.21 30002 tcp"))) {
        EXPECT_EQ(identity.port, 9090);
    }
}

// --- An agent that died between two steps

TEST_F(RestartTest, LeftoversOfNoServiceGo) {
    backend stray = maps.backends.begin()->second;
    stray.service = 777;
    maps.backends[888] = stray;
    maps.frontends[frontend_at("203.0.113.1", 80)] = {.service = 777, .kind = FRONTEND_EXTERNAL_IP};
    maps.services[999] = maps.services.at(id_of_web());
    maps.services[999].slice = maps.services[999].local_slice = 0;
    maps.source_ranges[range_key(777, prefix("192.0.2.0/24"))] = {.prefix_length = 24};
    state = MapState::from(maps.entries(), maps.limits);
    plan();
    EXPECT_EQ(maps.answers(), before_);
    EXPECT_EQ(maps.backends.size(), 6U);
    EXPECT_EQ(maps.services.size(), 2U);
    EXPECT_EQ(maps.source_ranges.size(), 2U);
    EXPECT_TRUE(plan().operations.empty());
}

TEST_F(RestartTest, WholeAddressOfNobodyGoesAndTheirNumberIsMended) {
    maps.frontends[address_key(ip("203.0.113.1"))] = {.kind = FRONTEND_ADDRESS};
    maps.vips = 5;
    state = MapState::from(maps.entries(), maps.limits);
    plan();
    EXPECT_EQ(maps.answers(), before_);
    EXPECT_TRUE(maps.whole_addresses().empty());
    EXPECT_TRUE(plan().operations.empty());
}

TEST_F(RestartTest, SliceThatNamesNoBackendIsMadeAnew) {
    const auto gone = std::ranges::find_if(maps.backends, [this](const auto& entry) {
        return entry.second.service == id_of_web() && entry.second.slots != 0;
    });
    maps.backends.erase(gone);
    for (bool prune : {true, false}) {
        Cluster copy = *this;
        copy.options.prune = prune;
        copy.state = MapState::from(copy.maps.entries(), copy.maps.limits);
        copy.plan();
        EXPECT_EQ(copy.maps.answers(), before_);
    }
}

TEST_F(RestartTest, BrokenSliceIsMendedEvenIfTheServiceIsUnseen) {
    const auto gone = std::ranges::find_if(maps.backends, [this](const auto& entry) {
        return entry.second.service == id_of_web() && entry.second.slots != 0;
    });
    maps.backends.erase(gone);
    forget("web");
    options.prune = false;
    state = MapState::from(maps.entries(), maps.limits);
    plan();
    EXPECT_EQ(std::get<2>(maps.answers().at("198.18.0.21 30002 tcp")).size(), 1U);
    EXPECT_FALSE(state.services.at(kWeb).confirmed);
    options.prune = true;
    plan();
    EXPECT_EQ(maps.services.size(), 1U);
}

TEST_F(RestartTest, OverlappingAndOutlyingSlicesAreMadeAnew) {
    const std::uint64_t other = maps.find({.name = {"shop", "api"}, .port = 80})->slice;
    const std::uint64_t own = maps.find(kWeb)->slice;
    for (const auto& [which, slice] : std::initializer_list<std::pair<__u64 service::*, std::uint64_t>>{
             {&service::slice, other},
             {&service::slice, other + (1ULL << 32)},
             {&service::slice, SERVICE_SLICE(maps.limits.slots - 1, 251)},
             {&service::slice, SERVICE_SLICE(UINT32_MAX, UINT32_MAX)},
             {&service::slice, 0},
             {&service::local_slice, other},
             {&service::local_slice, own},
             {&service::local_slice, SERVICE_SLICE(UINT32_MAX, UINT32_MAX)},
             {&service::local_slice, 0}}) {
        Cluster copy = *this;
        copy.maps = FakeMaps(maps.limits);
        copy.maps.services = maps.services;
        copy.maps.backends = maps.backends;
        copy.maps.frontends = maps.frontends;
        copy.maps.slots = maps.slots;
        copy.maps.source_ranges = maps.source_ranges;
        copy.maps.services.at(id_of_web()).*which = slice;
        copy.state = MapState::from(copy.maps.entries(), copy.maps.limits);
        const Plan mended = shunt::plan(copy.snapshot, {}, copy.options, copy.state);
        // The fake would look into the bad slice, so it is told of the service's new one alone.
        copy.maps.services.at(id_of_web()).*which = 0;
        copy.maps.apply(mended.operations, copy.options.now_ns);
        EXPECT_EQ(copy.maps.answers(), before_);
        EXPECT_EQ(copy.maps.local_answers(), local_before_);
    }
}

// Wherever the agent dies within a plan, the next one comes to the same end.
TEST_F(RestartTest, DeathAfterEachOperation) {
    const FakeMaps old = maps;
    put(slice("web-1", "web", {endpoint("198.19.0.2", "node-a"), endpoint("198.19.0.7", "node-b")}));
    remove_service(snapshot, {"shop", "api"}, change);
    Service extra = node_port_service("extra", 30001);  // takes the frontend of api
    extra.type = ServiceType::load_balancer;
    extra.ingress_ips = {ip("203.0.113.10")};
    extra.source_ranges = {prefix("198.51.100.0/24"), prefix("203.0.113.0/24")};
    put(extra);
    put(slice("extra-1", "extra", {endpoint("198.19.0.1", "node-a")}));
    MapState whole_state = state;
    const Plan whole = shunt::plan(snapshot, change, options, whole_state);
    FakeMaps expected = old;
    expected.apply(whole.operations, options.now_ns);

    for (std::size_t done = 0; done <= whole.operations.size(); ++done) {
        std::map<std::uint32_t, service> services = old.services;
        std::map<std::uint32_t, backend> backends = old.backends;
        std::map<frontend_key, frontend, FrontendKeyLess> frontends = old.frontends;
        std::vector<std::uint32_t> slots = old.slots;
        std::map<source_range_key, source_range, SourceRangeKeyLess> ranges = old.source_ranges;
        std::uint32_t vips = old.vips;
        for (const MapOperation& operation : std::span(whole.operations).first(done)) {
            if (const auto* put = std::get_if<PutBackend>(&operation)) {
                backends[put->id] = put->value;
            } else if (const auto* write = std::get_if<WriteSlots>(&operation)) {
                std::ranges::copy(write->backend_ids, slots.begin() + write->offset);
            } else if (const auto* put = std::get_if<PutService>(&operation)) {
                services[put->id] = put->value;
            } else if (const auto* put = std::get_if<PutFrontend>(&operation)) {
                frontends[put->key] = put->value;
            } else if (const auto* gone = std::get_if<DeleteFrontend>(&operation)) {
                frontends.erase(gone->key);
            } else if (const auto* gone = std::get_if<DeleteService>(&operation)) {
                services.erase(gone->id);
            } else if (const auto* gone = std::get_if<DeleteBackend>(&operation)) {
                backends.erase(gone->id);
            } else if (const auto* put = std::get_if<PutSourceRange>(&operation)) {
                ranges[put->key] = put->value;
            } else if (const auto* gone = std::get_if<DeleteSourceRange>(&operation)) {
                ranges.erase(gone->key);
            } else if (const auto* set = std::get_if<SetVips>(&operation)) {
                vips = set->count;
            }
        }
        maps = FakeMaps(old.limits);
        maps.services = services;
        maps.backends = backends;
        maps.frontends = frontends;
        maps.slots = slots;
        maps.source_ranges = ranges;
        maps.vips = vips;
        restart();
        plan();
        EXPECT_EQ(maps.answers(), expected.answers()) << done;
        EXPECT_EQ(maps.local_answers(), expected.local_answers()) << done;
        EXPECT_EQ(maps.listed_backends(), expected.listed_backends()) << done;
        EXPECT_EQ(maps.whole_addresses(), expected.whole_addresses()) << done;
        EXPECT_EQ(maps.source_ranges.size(), expected.source_ranges.size()) << done;
        EXPECT_TRUE(plan().operations.empty()) << done;
    }
}

}  // namespace
}  // namespace shunt::test
