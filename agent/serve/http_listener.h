// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 at one address and port, on an event loop of others: for probes and scrapes, thousands of them in one
// loop. GET and HEAD, keep-alive, a PROXY v2 header before the first request.
//
// A port that cannot be bound is no failure: it is tried again, and error() says why meanwhile. Whoever is slow is
// cut off; where all connections are taken, the oldest gives way.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/report/words.h"
#include "agent/support/result.h"

namespace boost::asio {
class io_context;
}

namespace shunt {

struct HttpResponse {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::vector<std::pair<std::string, std::string>> headers;  // besides those that every response has
    std::string body;
};

// `path`: of the request, without the query; valid during the call. Called in the event loop; must not block.
using HttpHandler = std::function<HttpResponse(std::string_view path)>;

struct HttpLimits {
    std::chrono::milliseconds request{10'000};  // to send a request, the first from accept on; to take a response
    std::chrono::milliseconds idle{75'000};     // between two requests of a connection
    std::chrono::milliseconds retry{1'000};     // between two attempts to bind
    std::size_t connections = 64;
};

class HttpListener {
public:
    // Listens when the constructor returns, if it can. `what`: for the log, e.g. "healthz". Port 0: the kernel's
    // choice. The object lives, and is destroyed, in the loop's thread or while no loop runs; `loop` must outlive it.
    HttpListener(boost::asio::io_context& loop, const AddressPort& at, std::string what, HttpHandler handler,
                 const HttpLimits& limits = {});
    ~HttpListener();  // cuts its connections off
    HttpListener(HttpListener&&) noexcept;
    HttpListener& operator=(HttpListener&&) = delete;

    std::uint16_t port() const;                 // 0: not listening now
    const std::optional<Error>& error() const;  // why not

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace shunt
