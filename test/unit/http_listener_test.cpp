// SPDX-License-Identifier: Apache-2.0
// The HTTP listener over real sockets: what a probe, a load balancer and somebody hostile get to see.
#include "agent/serve/http_listener.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <list>
#include <thread>

#include "agent/serve/health_node_ports.h"
#include "agent/support/fd.h"

namespace shunt {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kProxyHeader = std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16) +
                                 std::string("\xc0\0\x02\x01\xc0\0\x02\x02\x9c\x40\x01\xbb", 12);
const std::string kGet = "GET /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n";

sockaddr_in loopback(std::uint16_t port) {
    return {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

Fd listening_socket(std::uint16_t& port) {
    Fd fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = loopback(port);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0) << std::strerror(errno);
    EXPECT_EQ(listen(fd.get(), 8), 0);
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    return fd;
}

class Client {
public:
    explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
        const sockaddr_in address = loopback(port);
        is_connected_ = connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    }

    bool is_connected() const { return is_connected_; }
    bool send(std::string_view bytes) const {
        return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
    }

    // One more piece. Empty: the server closed. "?": nothing came for that long.
    std::string read(std::chrono::milliseconds patience = 5s) const {
        pollfd ready{.fd = fd_.get(), .events = POLLIN, .revents = 0};
        if (poll(&ready, 1, static_cast<int>(patience.count())) <= 0) {
            return "?";
        }
        char bytes[65536];
        const ssize_t size = recv(fd_.get(), bytes, sizeof(bytes), 0);
        return size > 0 ? std::string(bytes, static_cast<std::size_t>(size)) : "";
    }

    // A response with a body of `body` bytes: header and body may come apart.
    std::string response(std::size_t body) const {
        std::string all;
        for (;;) {
            const auto end = all.find("\r\n\r\n");
            if (end != std::string::npos && all.size() >= end + 4 + body) {
                return all;
            }
            const std::string piece = read();
            if (piece.empty() || piece == "?") {
                return all;
            }
            all += piece;
        }
    }

    std::string rest() const {
        std::string all;
        for (std::string piece; !(piece = read()).empty() && piece != "?";) {
            all += piece;
        }
        return all;
    }

private:
    Fd fd_;
    bool is_connected_ = false;
};

// A loop in a thread of its own; listeners are made and destroyed in it.
class Http : public testing::Test {
protected:
    ~Http() override {
        in_loop([this] { listeners_.clear(); });
        work_.reset();
        thread_.join();
    }

    template <typename Do>
    std::invoke_result_t<Do&> in_loop(Do&& what) {
        std::packaged_task<std::invoke_result_t<Do&>()> task(what);
        auto done = task.get_future();
        boost::asio::post(loop_, [&] { task(); });
        return done.get();
    }

    HttpListener& listen(const HttpLimits& limits = {}, std::uint16_t port = 0) {
        return in_loop([&]() -> HttpListener& {
            return listeners_.emplace_back(
                loop_, AddressPort{*IpAddress::parse("127.0.0.1"), port}, "test",
                [](std::string_view path) {
                    return HttpResponse{.headers = {{"X-Test", "yes"}}, .body = "path " + std::string(path)};
                },
                limits);
        });
    }

    std::uint16_t port_of(const HttpListener& listener) {
        return in_loop([&] { return listener.port(); });
    }

    boost::asio::io_context loop_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{loop_.get_executor()};
    std::list<HttpListener> listeners_;
    std::thread thread_{[this] { loop_.run(); }};
};

TEST_F(Http, AnswersAndKeepsTheConnection) {
    const Client client(port_of(listen()));
    for (int i = 0; i < 3; i++) {
        ASSERT_TRUE(client.send(kGet));
        const std::string response = client.response(7);
        EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\n"));
        EXPECT_THAT(response, HasSubstr("\r\nContent-Length: 7\r\n"));
        EXPECT_THAT(response, HasSubstr("\r\nX-Test: yes\r\n"));
        EXPECT_THAT(response, HasSubstr("\r\nDate: "));
        EXPECT_THAT(response, testing::EndsWith("\r\n\r\npath /x"));
    }
    ASSERT_TRUE(client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    EXPECT_THAT(client.rest(), HasSubstr("path /"));  // and then it closed
}

TEST_F(Http, PipelinedRequestsAndHttp10) {
    const std::uint16_t port = port_of(listen());
    const Client client(port);
    ASSERT_TRUE(client.send(kGet + kGet));
    std::string both = client.response(7);
    while (both.find("path /x") == both.rfind("path /x")) {
        const std::string more = client.read();
        ASSERT_NE(more, "?");
        both += more;
    }
    const Client old(port);
    ASSERT_TRUE(old.send("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_THAT(old.rest(), StartsWith("HTTP/1.0 200 OK\r\n"));
}

TEST_F(Http, HeadHasNoBody) {
    const Client client(port_of(listen()));
    ASSERT_TRUE(client.send("HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    const std::string response = client.rest();
    EXPECT_THAT(response, HasSubstr("\r\nContent-Length: 7\r\n"));
    EXPECT_THAT(response, testing::EndsWith("\r\n\r\n"));
}

TEST_F(Http, ProxyHeaderIsSteppedOver) {
    const std::uint16_t port = port_of(listen());
    const Client client(port);
    ASSERT_TRUE(client.send(kProxyHeader + kGet));
    EXPECT_THAT(client.response(7), StartsWith("HTTP/1.1 200 OK\r\n"));
    ASSERT_TRUE(client.send(kGet));  // keep-alive: the header comes once
    EXPECT_THAT(client.response(7), StartsWith("HTTP/1.1 200 OK\r\n"));

    const Client slow(port);
    for (const char byte : kProxyHeader + kGet) {
        ASSERT_TRUE(slow.send({&byte, 1}));
        std::this_thread::sleep_for(1ms);
    }
    EXPECT_THAT(slow.response(7), StartsWith("HTTP/1.1 200 OK\r\n"));

    std::string broken = kProxyHeader;
    broken[12] = '\x31';
    const Client hostile(port);
    ASSERT_TRUE(hostile.send(broken + kGet));
    EXPECT_EQ(hostile.read(), "");
}

TEST_F(Http, WhatIsNotServedIsSaidAndTheConnectionEnds) {
    const std::uint16_t port = port_of(listen());
    const std::pair<std::string, const char*> cases[] = {
        {"NONSENSE\r\n\r\n", "HTTP/1.1 400 "},
        {std::string(2000, '\xff'), "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 405 "},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", "HTTP/1.1 413 "},
        {"GET / HTTP/1.1\r\nX: " + std::string(20000, 'x') + "\r\n\r\n", "HTTP/1.1 431 "},
    };
    for (const auto& [request, status] : cases) {
        const Client client(port);
        ASSERT_TRUE(client.send(request));
        EXPECT_THAT(client.rest(), StartsWith(status)) << request.substr(0, 40);
    }
}

TEST_F(Http, SlowClientsAreCutOff) {
    const std::uint16_t port = port_of(listen({.request = 200ms, .idle = 400ms}));
    const Client silent(port);
    const Client trickling(port);
    const Client idle(port);
    ASSERT_TRUE(idle.send(kGet));
    ASSERT_THAT(idle.response(7), StartsWith("HTTP/1.1 200"));
    const auto begin = steady_clock::now();
    bool is_open = true;
    while (is_open && steady_clock::now() - begin < 5s) {
        trickling.send("G");
        is_open = trickling.read(20ms) == "?";
    }
    EXPECT_FALSE(is_open);
    EXPECT_LT(steady_clock::now() - begin, 2s);
    EXPECT_EQ(silent.read(), "");
    EXPECT_EQ(idle.read(), "");
    EXPECT_GE(steady_clock::now() - begin, 300ms);
}

TEST_F(Http, TheOldestConnectionGivesWay) {
    const std::uint16_t port = port_of(listen({.connections = 4}));
    std::list<Client> holders;
    for (int i = 0; i < 4; i++) {
        holders.emplace_back(port);
        ASSERT_TRUE(holders.back().send("G"));
    }
    std::this_thread::sleep_for(50ms);
    const Client probe(port);
    ASSERT_TRUE(probe.send(kGet));
    EXPECT_THAT(probe.response(7), StartsWith("HTTP/1.1 200"));
    EXPECT_EQ(holders.front().read(), "");
    EXPECT_EQ(holders.back().read(50ms), "?");
}

TEST_F(Http, APortThatIsTakenIsReportedAndTakenOnceItIsFree) {
    std::uint16_t port = 0;
    Fd other = listening_socket(port);
    HttpListener& listener = listen({.retry = 50ms}, port);
    const auto error = in_loop([&] { return listener.error(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message(),
              "listen on 127.0.0.1:" + std::to_string(port) + " for test: Address already in use; it is tried again");
    EXPECT_EQ(port_of(listener), 0);
    other.reset();
    for (int i = 0; i < 100 && port_of(listener) == 0; i++) {
        std::this_thread::sleep_for(20ms);
    }
    EXPECT_EQ(port_of(listener), port);
    EXPECT_FALSE(in_loop([&] { return listener.error().has_value(); }));
    const Client client(port);
    ASSERT_TRUE(client.send(kGet));
    EXPECT_THAT(client.response(7), StartsWith("HTTP/1.1 200"));
}

TEST_F(Http, AListenerThatGoesCutsItsConnectionsOff) {
    const std::uint16_t port = port_of(listen());
    const Client client(port);
    ASSERT_TRUE(client.send(kGet));
    ASSERT_THAT(client.response(7), StartsWith("HTTP/1.1 200"));
    in_loop([&] { listeners_.clear(); });
    EXPECT_EQ(client.read(), "");
    EXPECT_FALSE(Client(port).is_connected());
}

// --- healthCheckNodePorts

class HealthPorts : public Http {
protected:
    ~HealthPorts() override {
        in_loop([this] { ports_.reset(); });
    }

    void set(const std::string& name, std::uint16_t port, std::size_t ready) {
        in_loop([&] { ports_->set({"shop", name}, LocalEndpoints{port, {{IPV4, ready}}, {}}); });
    }

    std::string ask(std::uint16_t port) {
        const Client client(port);
        if (!client.is_connected() || !client.send("GET /any/path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")) {
            return "";
        }
        return client.rest();
    }

    bool is_healthy_ = true;
    std::optional<HealthNodePorts> ports_{std::in_place, loop_, [this] { return is_healthy_; }};
};

std::uint16_t free_port() {
    std::uint16_t port = 0;
    listening_socket(port);
    return port;
}

TEST_F(HealthPorts, FollowTheirService) {
    in_loop([&] { ports_->set_addresses({*IpAddress::parse("127.0.0.1"), *IpAddress::parse("::1")}); });
    const std::uint16_t port = free_port();
    set("web", port, 2);
    EXPECT_THAT(ask(port), StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(ask(port), HasSubstr("X-Load-Balancing-Endpoint-Weight: 2\r\n"));
    set("web", port, 0);
    EXPECT_THAT(ask(port), StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
    EXPECT_THAT(ask(port), HasSubstr("\"localEndpoints\": 0,"));
    set("web", port, 1);
    in_loop([&] { is_healthy_ = false; });
    EXPECT_THAT(ask(port), StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(ask(port), HasSubstr("\"serviceProxyHealthy\": false"));
    in_loop([&] { is_healthy_ = true; });

    const std::uint16_t moved = free_port();
    set("web", moved, 1);
    EXPECT_EQ(ask(port), "");
    EXPECT_THAT(ask(moved), StartsWith("HTTP/1.1 200 "));
    in_loop([&] { ports_->set({"shop", "web"}, std::nullopt); });
    EXPECT_EQ(ask(moved), "");
    EXPECT_EQ(in_loop([&] { return ports_->size(); }), 0U);
}

TEST_F(HealthPorts, ThousandsInOneLoop) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 4000) {
        GTEST_SKIP() << "needs 4,000 descriptors";
    }
    constexpr std::uint16_t kFirst = 30000;  // no port of the host's own range; those that are taken are told
    constexpr std::uint16_t kCount = 2000;
    in_loop([&] { ports_->set_addresses({*IpAddress::parse("127.0.0.77")}); });
    const auto begin = steady_clock::now();
    for (std::uint16_t i = 0; i < kCount; i++) {
        set("s" + std::to_string(i), static_cast<std::uint16_t>(kFirst + i), 1);
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
    EXPECT_EQ(in_loop([&] { return ports_->size(); }), kCount);
    EXPECT_EQ(in_loop([&] { return ports_->not_listening(); }), 0U);
    RecordProperty("opened_ms", static_cast<int>(took.count()));
    std::printf("%d healthCheckNodePorts opened in %d ms\n", kCount, static_cast<int>(took.count()));
    in_loop([&] { ports_.emplace(loop_, [] { return true; }); });
}

}  // namespace
}  // namespace shunt
