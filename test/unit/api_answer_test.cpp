// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/api_answer.h"

#include <gtest/gtest.h>

#include <chrono>

namespace shunt {
namespace {

std::string service_item(const std::string& name, const std::string& ports) {
    return R"({"metadata":{"namespace":"shop","name":")" + name + R"("},"spec":{"clusterIP":"192.0.2.1","ports":)" + ports + "}}";
}

std::string service_list(const std::string& items) {
    return R"({"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"x=="},"items":[)" + items + "]}";
}

TEST(ApiList, OneOddObjectDoesNotBreakTheRest) {
    const auto list = decode_api_list("Service", service_list(service_item("a", R"([{"port":80}])") + "," +
                                                              service_item("odd", R"([{"port":"eighty"}])") + ",17," +
                                                              service_item("b", "null")));
    ASSERT_TRUE(list) << list.error().message();
    EXPECT_EQ(list->resource_version, "7");
    EXPECT_EQ(list->continue_token, "x==");
    ASSERT_EQ(list->objects.size(), 2U);
    EXPECT_EQ(std::get<Service>(list->objects[1]).name.name, "b");
    ASSERT_EQ(list->undecoded.size(), 2U);
    EXPECT_EQ(list->undecoded[0].name, (ObjectName{"shop", "odd"}));
    EXPECT_EQ(list->undecoded[0].error.message().substr(0, 44), "read Service shop/odd: items[1].spec.ports[0");
}

TEST(ApiList, OtherAnswersAreErrors) {
    const auto message = [](const std::string& text) {
        const auto list = decode_api_list("Service", text);
        return list ? "" : list.error().message();
    };
    EXPECT_EQ(message(""), "read a list of Services: is empty");
    EXPECT_EQ(message(R"({"kind":"NodeList","items":[]})"), "read a list of Services: it is a NodeList");
    EXPECT_EQ(message("[]"), "read a list of Services: it is none");
    EXPECT_EQ(message(R"({"kind":"ServiceList","items":7})"), "read a list of Services: its items are no list");
    const std::string whole = service_list(service_item("a", R"([{"port":80}])"));
    for (std::size_t size = 0; size < whole.size(); size++) {
        EXPECT_FALSE(decode_api_list("Service", whole.substr(0, size))) << size;
    }
}

TEST(ApiList, ManyOddObjectsCostNoMoreThanTheirNumber) {
    std::string items;
    for (int i = 0; i < 20000; i++) {
        items += (i == 0 ? "" : ",") + service_item("odd-" + std::to_string(i), R"([{"port":"x"}])");
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto list = decode_api_list("Service", service_list(items));
    ASSERT_TRUE(list);
    EXPECT_EQ(list->undecoded.size(), 20000U);
    // With the place of each in the text it would be a quarter of an hour.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(ApiEvent, OfEachType) {
    const auto put = decode_api_event("Service", R"({"type":"ADDED","object":{"kind":"Service","apiVersion":"v1","metadata":
        {"namespace":"shop","name":"a","resourceVersion":"9"},"spec":{"clusterIP":"192.0.2.1"}}})");
    ASSERT_TRUE(put);
    EXPECT_EQ(put->type, ApiEvent::Type::put);
    EXPECT_EQ(put->resource_version, "9");
    EXPECT_TRUE(put->object);
    const auto odd = decode_api_event("Service", R"({"type":"MODIFIED","object":{"kind":"Service","apiVersion":"v1","metadata":
        {"namespace":"shop","name":"a","resourceVersion":"10"},"spec":7}})");
    ASSERT_TRUE(odd);
    EXPECT_EQ(odd->name, (ObjectName{"shop", "a"}));
    EXPECT_TRUE(odd->undecoded);
    const auto removed = decode_api_event("Service", R"({"type":"DELETED","object":{"kind":"Service","apiVersion":"v1","metadata":
        {"namespace":"shop","name":"a","resourceVersion":"11"},"spec":7}})");
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->type, ApiEvent::Type::removed);
    EXPECT_EQ(removed->name, (ObjectName{"shop", "a"}));
    const auto bookmark = decode_api_event("Service", R"({"type":"BOOKMARK","object":{"kind":"Service","apiVersion":"v1","metadata":
        {"resourceVersion":"1545","creationTimestamp":null},"spec":{},"status":{"loadBalancer":{}}}})");
    ASSERT_TRUE(bookmark);
    EXPECT_EQ(bookmark->type, ApiEvent::Type::bookmark);
    EXPECT_EQ(bookmark->resource_version, "1545");
    const auto error = decode_api_event("Service", R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},
        "status":"Failure","message":"too old resource version: 1","reason":"Expired","code":410}})");
    ASSERT_TRUE(error);
    EXPECT_EQ(error->type, ApiEvent::Type::error);
    EXPECT_EQ(error->status.code, 410);
    EXPECT_FALSE(decode_api_event("Service", "{"));
    EXPECT_FALSE(decode_api_event("Service", R"({"type":"ADDED"})"));
}

TEST(ApiEvent, ASliceThatIsNotForShuntHasNoObject) {
    const auto event = decode_api_event("EndpointSlice", R"({"type":"ADDED","object":{"kind":"EndpointSlice",
        "apiVersion":"discovery.k8s.io/v1","metadata":{"namespace":"shop","name":"a","resourceVersion":"9"},"addressType":"FQDN"}})");
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, ApiEvent::Type::put);
    EXPECT_FALSE(event->object);
    EXPECT_FALSE(event->undecoded);
}

TEST(ApiStatus, PlainTextIsNone) {
    EXPECT_FALSE(decode_api_status("Too many requests, please try again later.\n"));
    const auto status = decode_api_status(R"({"metadata":{},"status":"Failure","message":"Timeout","code":504})");
    ASSERT_TRUE(status);
    EXPECT_EQ(status->code, 504);
    EXPECT_EQ(status->message, "Timeout");
}

}  // namespace
}  // namespace shunt
