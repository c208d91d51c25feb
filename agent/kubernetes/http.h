// SPDX-License-Identifier: Apache-2.0
// GET requests to one server, without a word about the library that carries them out. Never blocks.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/kubernetes/cluster_access.h"
#include "agent/support/result.h"

namespace shunt {

using SteadyClock = std::chrono::steady_clock;

struct HttpRequest {
    std::string target;                     // path and query, encoded
    std::string bearer_token;               // empty: none is sent
    std::chrono::milliseconds at_most{0};   // for the whole answer; then it counts as cut
    std::chrono::seconds longest_silence{0};  // without a byte; then it counts as cut; 0: any
    bool may_be_compressed = false;
};

struct HttpHead {
    int status = 0;
    std::optional<std::chrono::seconds> retry_after;
};

class HttpAnswerHandler {
public:
    virtual ~HttpAnswerHandler() = default;
    virtual void on_head(const HttpHead& head) = 0;
    // A piece of the body, decompressed. False: enough, the rest is not wanted; on_end() follows, without an error.
    virtual bool on_body(std::string_view bytes) = 0;
    // The last call. An error: there was no answer, or it was cut. Here, and only here, the exchange may be destroyed.
    virtual void on_end(const std::optional<Error>& error) = 0;
};

// One request and its answer. When it is destroyed, the handler is not called any more.
class HttpExchange {
public:
    virtual ~HttpExchange() = default;
};

class HttpTransport {
public:
    virtual ~HttpTransport() = default;
    // The handler is called later, never from within. It has to live as long as the exchange.
    virtual std::unique_ptr<HttpExchange> start(const HttpRequest& request, HttpAnswerHandler& handler) = 0;
};

class HttpClient : public HttpTransport {
public:
    // Readable when run() has something to do.
    virtual int fd() const = 0;
    // Does what can be done now; calls handlers.
    virtual void run() = 0;
    // fd() becomes readable at that time, too.
    virtual void wake_at(std::optional<SteadyClock::time_point> time) = 0;
};

// HTTP/1.1, over TLS if the server's URL is https. Connections are kept and used again, at most four idle ones.
Result<std::unique_ptr<HttpClient>> open_http_client(const ClusterAccess& access);

}  // namespace shunt
