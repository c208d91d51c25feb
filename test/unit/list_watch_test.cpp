// SPDX-License-Identifier: Apache-2.0
// ListWatch without a network and without waiting: the test is the server and the clock.
#include "agent/kubernetes/list_watch.h"

#include <gtest/gtest.h>

namespace shunt {
namespace {

using namespace std::chrono_literals;

class FakeExchange final : public HttpExchange {};

class FakeTransport final : public HttpTransport {
public:
    std::unique_ptr<HttpExchange> start(const HttpRequest& request, HttpAnswerHandler& handler) override {
        requests.push_back(request);
        handler_ = &handler;
        return std::make_unique<FakeExchange>();
    }
    void answer(int status, std::string_view body, std::optional<std::chrono::seconds> retry_after = {}) {
        handler_->on_head({.status = status, .retry_after = retry_after});
        handler_->on_body(body);
        handler_->on_end(std::nullopt);
    }
    HttpAnswerHandler& handler() { return *handler_; }

    std::vector<HttpRequest> requests;

private:
    HttpAnswerHandler* handler_ = nullptr;
};

// A server that knows no streams, as most of the tests want it.
class ListWatchTest : public testing::Test {
protected:
    void SetUp() override {
        wait();
        transport_.answer(422, "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
        EXPECT_FALSE(watch_.trouble());
    }

    // Until the next request is begun; how long that took.
    std::chrono::milliseconds wait() {
        const std::size_t before = transport_.requests.size();
        const auto begin = now_;
        while (transport_.requests.size() == before) {
            if (!watch_.due()) {
                ADD_FAILURE() << "no request is due";
                break;
            }
            now_ = std::max(now_, *watch_.due());
            watch_.run();
        }
        return std::chrono::duration_cast<std::chrono::milliseconds>(now_ - begin);
    }
    const std::string& asked() { return transport_.requests.back().target; }
    bool asks(const std::string& words) { return asked().find(words) != std::string::npos; }
    void list(const std::string& version, const std::string& items = "", const std::string& token = "") {
        transport_.answer(200, R"({"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":")" + version +
                                   R"(","continue":")" + token + R"("},"items":[)" + items + "]}");
    }
    static std::string item(const std::string& name) { return R"({"metadata":{"name":")" + name + R"("}})"; }
    static std::string event(const std::string& type, const std::string& name, const std::string& version) {
        return R"({"type":")" + type + R"(","object":{"kind":"Node","apiVersion":"v1","metadata":{"name":")" + name +
               R"(","resourceVersion":")" + version + "\"}}}\n";
    }

    SteadyClock::time_point now_ = SteadyClock::time_point(1h);
    std::string token_ = "t";
    FakeTransport transport_;
    ObjectStore store_;
    ListWatchTiming timing_{.now = [this] { return now_; }};
    ListWatch watch_{node("n"), transport_, [this]() -> Result<std::string> { return token_; }, store_, timing_};
};

TEST_F(ListWatchTest, WatchBeginsWhereTheListEnds) {
    EXPECT_EQ(wait(), 0ms);
    EXPECT_TRUE(asks("limit=500&resourceVersion=0"));
    EXPECT_FALSE(watch_.has_listed());
    list("7", item("n"));
    EXPECT_TRUE(watch_.has_listed());
    EXPECT_EQ(wait(), 0ms);
    EXPECT_TRUE(asks("watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds="));
    transport_.handler().on_head({.status = 200});
    transport_.handler().on_body(event("MODIFIED", "n", "8") + event("BOOKMARK", "", "12") + event("DELETED", "n", "13").substr(0, 20));
    EXPECT_EQ(store_.snapshot().nodes.size(), 1U);
    now_ += 5min;
    transport_.handler().on_end(std::nullopt);
    EXPECT_EQ(wait(), 0ms) << "a regular end of a long watch";
    EXPECT_TRUE(asks("resourceVersion=12&"));
}

class StreamTest : public ListWatchTest {
protected:
    void SetUp() override { wait(); }
    void begin() { transport_.handler().on_head({.status = 200}); }
    bool say(const std::string& text) { return transport_.handler().on_body(text); }
    void end() { transport_.handler().on_end(std::nullopt); }
    static std::string last(const std::string& version) {
        return R"({"type":"BOOKMARK","object":{"kind":"Node","apiVersion":"v1","metadata":{"resourceVersion":")" + version +
               R"(","annotations":{"k8s.io/initial-events-end":"true"}}}})" "\n";
    }
};

TEST_F(StreamTest, CountsWhenTheBookmarkSaysThatItIsAll) {
    EXPECT_TRUE(asks("watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0&"));
    begin();
    EXPECT_TRUE(say(event("ADDED", "a", "3") + event("ADDED", "b", "4") + event("ADDED", "c", "5") + event("MODIFIED", "c", "8") +
                    event("DELETED", "b", "9") + event("BOOKMARK", "", "9")));
    EXPECT_TRUE(store_.snapshot().nodes.empty());
    EXPECT_FALSE(watch_.has_listed());
    EXPECT_FALSE(say(last("10")));
    EXPECT_TRUE(watch_.has_listed());
    EXPECT_EQ(store_.snapshot().nodes.size(), 2U);
    end();
    EXPECT_EQ(wait(), 0ms);
    EXPECT_TRUE(asks("&watch=true&allowWatchBookmarks=true&resourceVersion=10&"));
    EXPECT_FALSE(asks("sendInitialEvents"));

    transport_.answer(200, R"({"type":"ERROR","object":{"kind":"Status","message":"too old","code":410}})" "\n");
    EXPECT_GE(wait(), 250ms);
    EXPECT_TRUE(asks("sendInitialEvents=true")) << "the server is known to have it";
    EXPECT_FALSE(asks("resourceVersion=")) << "from the present";
    begin();
    EXPECT_FALSE(say(event("ADDED", "a", "3") + last("20")));
    EXPECT_EQ(store_.snapshot().nodes.size(), 1U) << "what is not in the stream is gone";
}

TEST_F(StreamTest, AnOddObjectStandsForItself) {
    begin();
    EXPECT_FALSE(say(event("ADDED", "a", "3") + R"({"type":"ADDED","object":{"metadata":{"name":"odd"},"status":7}})" "\n" + last("4")));
    EXPECT_TRUE(watch_.has_listed());
    EXPECT_EQ(store_.snapshot().nodes.size(), 1U);
    EXPECT_EQ(store_.undecoded().size(), 1U);
}

TEST_F(StreamTest, ThatEndsTooEarlyIsFollowedByAList) {
    begin();
    say(event("ADDED", "a", "3"));
    end();
    EXPECT_EQ(watch_.trouble()->message(), "list nodes: the stream ended before all was listed");
    EXPECT_GE(wait(), 250ms);
    EXPECT_TRUE(asks("limit=500&resourceVersion=0"));
    EXPECT_TRUE(store_.snapshot().nodes.empty());
    list("7", item("b"));
    EXPECT_EQ(store_.snapshot().nodes.size(), 1U);
    EXPECT_FALSE(watch_.trouble());
}

TEST_F(StreamTest, CutBeforeAnyAnswerIsTriedAgain) {
    transport_.handler().on_end(Error{"ask", "https://192.0.2.1", "connection refused"});
    wait();
    EXPECT_TRUE(asks("sendInitialEvents=true"));
}

TEST_F(StreamTest, ErrorsAreFollowedByAList) {
    begin();
    EXPECT_FALSE(say(R"({"type":"ERROR","object":{"kind":"Status","message":"Too large resource version","code":504}})" "\n"));
    end();
    EXPECT_GE(wait(), 250ms);
    EXPECT_TRUE(asks("limit=500"));
    transport_.answer(500, "no");
    wait();
    EXPECT_TRUE(asks("limit=500"));
}

TEST_F(StreamTest, RefusalsThatAreAboutUsAreTriedAgain) {
    for (const int status : {401, 403, 429}) {
        transport_.answer(status, "no");
        EXPECT_EQ(watch_.trouble()->message().substr(0, 35), "list nodes: the API server says " + std::to_string(status));
        wait();
        EXPECT_TRUE(asks("sendInitialEvents=true"));
    }
    transport_.answer(503, "no");
    wait();
    EXPECT_TRUE(asks("limit=500"));
}

TEST_F(ListWatchTest, PagesCountTogether) {
    wait();
    list("7", item("a"), "next=");
    EXPECT_TRUE(store_.snapshot().nodes.empty());
    EXPECT_EQ(wait(), 0ms);
    EXPECT_TRUE(asks("limit=500&continue=next%3D"));
    EXPECT_FALSE(asks("resourceVersion"));
    list("7", item("b"));
    EXPECT_EQ(store_.snapshot().nodes.size(), 2U);
}

TEST_F(ListWatchTest, ExpiredWatchListsAnewFromThePresent) {
    wait();
    list("7");
    wait();
    transport_.answer(200, R"({"type":"ERROR","object":{"kind":"Status","message":"too old","code":410}})" "\n");
    EXPECT_GE(wait(), 250ms);
    EXPECT_FALSE(asks("watch"));
    EXPECT_FALSE(asks("resourceVersion"));
    EXPECT_TRUE(asks("limit=500"));
}

TEST_F(ListWatchTest, NonsenseInAWatchListsAnew) {
    for (const std::string nonsense : {"<html>\n", "{}\n", "{\"type\":\"ADDED\"}\n"}) {
        wait();
        list("7");
        wait();
        transport_.handler().on_head({.status = 200});
        EXPECT_FALSE(transport_.handler().on_body(nonsense));
        transport_.handler().on_end(std::nullopt);
        EXPECT_TRUE(watch_.due());
    }
    EXPECT_GE(wait(), 250ms);
    EXPECT_FALSE(asks("watch"));
}

TEST_F(ListWatchTest, WatchesThatEndAtOnceBackOff) {
    wait();
    list("7");
    wait();
    std::chrono::milliseconds total = 0ms;
    for (int i = 0; i < 10; i++) {
        transport_.answer(200, "");
        total += wait();
        EXPECT_TRUE(asks("resourceVersion=7"));
    }
    EXPECT_GE(total, 60s) << "0.5, 1, 2, 4, 8, 16, 30 s and so on, less the jitter";
}

TEST_F(ListWatchTest, AMuteWatchIsNotBelieved) {
    wait();
    list("7");
    wait();
    transport_.handler().on_head({.status = 200});
    now_ += 5min;
    transport_.handler().on_end(std::nullopt);
    wait();
    EXPECT_FALSE(asks("watch"));
}

TEST_F(ListWatchTest, RefusedWatchKeepsItsPlace) {
    wait();
    list("7", item("n"));
    for (const int status : {401, 403, 429, 500, 503, 504}) {
        wait();
        transport_.answer(status, "no");
        ASSERT_TRUE(watch_.trouble());
        EXPECT_EQ(watch_.trouble()->message().substr(0, 36), "watch nodes: the API server says " + std::to_string(status));
    }
    wait();
    EXPECT_TRUE(asks("watch=true"));
    EXPECT_TRUE(asks("resourceVersion=7&"));
    EXPECT_EQ(store_.snapshot().nodes.size(), 1U);
    transport_.handler().on_head({.status = 200});
    EXPECT_FALSE(watch_.trouble());
}

TEST_F(ListWatchTest, RetryAfterIsTheLeast) {
    wait();
    transport_.answer(429, "later", 60s);
    EXPECT_GE(wait(), 60s);
    transport_.answer(429, "later", 10000h);
    EXPECT_LE(wait(), 15min);
}

TEST_F(ListWatchTest, ATokenThatWasRotatedIsTriedAtOnceAndOnlyOnce) {
    wait();
    token_ = "u";
    transport_.answer(401, "no");
    EXPECT_EQ(wait(), 0ms);
    EXPECT_EQ(transport_.requests.back().bearer_token, "u");
    transport_.answer(401, "no");
    EXPECT_GE(wait(), 250ms);
}

TEST_F(ListWatchTest, NamesTheMissingRule) {
    wait();
    transport_.answer(403, R"({"kind":"Status","message":"nodes is forbidden","code":403})");
    EXPECT_EQ(watch_.trouble()->message(),
              "list nodes: the API server says 403, add to its ClusterRole {apiGroups: [\"\"], resources: [\"nodes\"], "
              "verbs: [\"list\", \"watch\"]}: nodes is forbidden");
}

TEST_F(ListWatchTest, SilenceIsCountedFromTheLastGoodWord) {
    wait();
    list("7");
    const auto listed = now_;
    EXPECT_EQ(watch_.last_heard(), listed);
    wait();
    now_ += 40s;
    transport_.answer(500, "no");
    EXPECT_EQ(watch_.last_heard(), listed);
    wait();
    transport_.handler().on_head({.status = 200});
    EXPECT_EQ(watch_.last_heard(), now_);
    now_ += 1min;
    transport_.handler().on_body(event("BOOKMARK", "", "9"));
    EXPECT_EQ(watch_.last_heard(), now_);
}

}  // namespace
}  // namespace shunt
