// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/object_store.h"

#include <gtest/gtest.h>

namespace shunt {
namespace {

Service service(const std::string& name, const std::string& cluster_ip = "192.0.2.1") {
    return {.name = {"shop", name}, .cluster_ip = cluster_ip};
}

UndecodedObject undecoded(const std::string& name) { return {{"shop", name}, {"read", "Service shop/" + name, "is odd"}}; }

ApiEvent put(const Service& service) { return {.type = ApiEvent::Type::put, .name = service.name, .object = service}; }

TEST(ObjectStore, AListReplacesItsKindAndNoOther) {
    ObjectStore store;
    store.replace("Node", {.objects = {Node{.name = {"", "node-a"}}}});
    store.replace("Service", {.objects = {service("a"), service("b")}});
    store.take_change();
    store.replace("Service", {.objects = {service("b", "192.0.2.2"), service("c")}});
    EXPECT_EQ(store.snapshot().services.size(), 2U);
    EXPECT_EQ(store.snapshot().services.at({"shop", "b"}).cluster_ip, "192.0.2.2");
    EXPECT_EQ(store.snapshot().nodes.size(), 1U);
    const Change change = store.take_change();
    EXPECT_EQ(change.services, (std::set<ObjectName>{{"shop", "a"}, {"shop", "b"}, {"shop", "c"}}));
    EXPECT_FALSE(change.nodes);
    EXPECT_TRUE(store.take_change().empty());
}

TEST(ObjectStore, AnOddObjectKeepsItsLastGoodState) {
    ObjectStore store;
    store.replace("Service", {.objects = {service("a")}});
    EXPECT_EQ(store.replace("Service", {.objects = {}, .undecoded = {undecoded("a")}}).size(), 1U);
    EXPECT_TRUE(store.snapshot().services.contains({"shop", "a"}));
    EXPECT_FALSE(store.has_never_decoded());
    ASSERT_EQ(store.undecoded().size(), 1U);
    EXPECT_EQ(store.undecoded()[0].path, "Service shop/a");
    EXPECT_TRUE(store.replace("Service", {.objects = {}, .undecoded = {undecoded("a")}}).empty()) << "said once";

    store.take("Service", put(service("a", "192.0.2.9")));
    EXPECT_TRUE(store.undecoded().empty());
}

TEST(ObjectStore, AnObjectThatWasNeverGoodForbidsPruning) {
    ObjectStore store;
    ApiEvent event = put(service("new"));
    event.object.reset();
    event.undecoded = undecoded("new").error;
    EXPECT_TRUE(store.take("Service", event));
    EXPECT_FALSE(store.take("Service", event));
    EXPECT_TRUE(store.has_never_decoded());
    store.replace("EndpointSlice", {});
    EXPECT_TRUE(store.has_never_decoded());
    store.take("Service", {.type = ApiEvent::Type::removed, .name = {"shop", "new"}});
    EXPECT_FALSE(store.has_never_decoded());
}

TEST(ObjectStore, WhatIsNotForShuntIsRemoved) {
    ObjectStore store;
    store.replace("Service", {.objects = {service("a")}});
    store.take("Service", {.type = ApiEvent::Type::put, .name = {"shop", "a"}});
    EXPECT_TRUE(store.snapshot().services.empty());
    store.take("Service", {.type = ApiEvent::Type::bookmark});
    store.take("Service", {.type = ApiEvent::Type::error});
    EXPECT_EQ(store.take_change().services.size(), 1U);
}

}  // namespace
}  // namespace shunt
