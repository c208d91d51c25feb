// SPDX-License-Identifier: Apache-2.0
// The only file that includes Beast: it takes half a minute to compile.
#include "agent/serve/http_listener.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <ctime>
#include <list>

#include "agent/serve/proxy_header.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::uint32_t kHeaderLimit = 8192;
constexpr std::uint64_t kBodyLimit = 4096;  // read, and not looked at
constexpr std::size_t kBufferLimit = 16384;
constexpr std::size_t kReadSize = 2048;
static_assert(kBufferLimit >= kProxyHeaderMax + kHeaderLimit);

tcp::endpoint endpoint(const AddressPort& at) {
    if (at.address.family == IPV4) {
        asio::ip::address_v4::bytes_type bytes;
        std::copy_n(at.address.octets.begin(), bytes.size(), bytes.begin());
        return {asio::ip::address_v4(bytes), at.port};
    }
    return {asio::ip::address_v6(at.address.octets), at.port};
}

std::string http_date() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char text[64];
    return {text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

struct HttpListener::State : std::enable_shared_from_this<HttpListener::State> {
    class Connection;

    State(asio::io_context& loop, const AddressPort& at, std::string what, HttpHandler handler,
          const HttpLimits& limits)
        : at(at), what(std::move(what)), handler(std::move(handler)), limits(limits), acceptor(loop), timer(loop) {}

    void open();
    void accept();
    void take(tcp::socket socket);
    void try_again(void (State::*step)());
    void fail(const error_code& code);
    void close();

    const AddressPort at;
    const std::string what;
    const HttpHandler handler;
    const HttpLimits limits;
    tcp::acceptor acceptor;
    asio::steady_timer timer;
    std::list<Connection*> connections;  // oldest first
    std::optional<Error> error;
    std::uint16_t port = 0;
    bool closed = false;
};

// Kept alive by its own pending operation.
class HttpListener::State::Connection : public std::enable_shared_from_this<HttpListener::State::Connection> {
public:
    Connection(tcp::socket socket, std::shared_ptr<State> owner)
        : stream_(std::move(socket)), owner_(std::move(owner)) {
        place_ = owner_->connections.insert(owner_->connections.end(), this);
    }
    ~Connection() { owner_->connections.erase(place_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start() {
        stream_.expires_after(owner_->limits.request);
        read_beginning();
    }

    void close() { stream_.close(); }

private:
    void read_beginning() {
        stream_.async_read_some(buffer_.prepare(kReadSize),
                                [self = shared_from_this()](const error_code& error, std::size_t size) {
                                    if (!error) {
                                        self->buffer_.commit(size);
                                        self->judge_beginning();
                                    }
                                });
    }

    void judge_beginning() {
        const ProxyHeader header =
            find_proxy_header({static_cast<const char*>(buffer_.cdata().data()), buffer_.cdata().size()});
        switch (header.state) {
            case ProxyHeader::State::incomplete:
                return read_beginning();
            case ProxyHeader::State::complete:
                buffer_.consume(header.size);
                return read_request();
            case ProxyHeader::State::none:
                return read_request();
            case ProxyHeader::State::broken:
                return;
        }
    }

    void read_request() {
        parser_.emplace();
        parser_->header_limit(kHeaderLimit);
        parser_->body_limit(kBodyLimit);
        http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](const error_code& error, std::size_t) {
            error ? self->refuse(error) : self->answer();
        });
    }

    // Those that went, or were too slow, hear nothing.
    void refuse(const error_code& error) {
        if (error == http::error::header_limit || error == http::error::buffer_overflow) {
            write({.status = 431, .body = "The header is too large.\n"}, 11, false, false);
        } else if (error == http::error::body_limit) {
            write({.status = 413, .body = "No body is needed.\n"}, 11, false, false);
        } else if (error.category() == make_error_code(http::error::bad_method).category() &&
                   error != http::error::end_of_stream && error != http::error::partial_message) {
            write({.status = 400, .body = "This is not HTTP.\n"}, 11, false, false);
        }
    }

    void answer() {
        if (owner_->closed) {
            return;
        }
        const auto& request = parser_->get();
        const bool is_head = request.method() == http::verb::head;
        if (request.method() != http::verb::get && !is_head) {
            return write({.status = 405, .headers = {{"Allow", "GET, HEAD"}}, .body = "GET and HEAD only.\n"},
                         request.version(), request.keep_alive(), false);
        }
        const std::string_view target(request.target().data(), request.target().size());
        write(owner_->handler(target.substr(0, target.find('?'))), request.version(), request.keep_alive(), is_head);
    }

    void write(HttpResponse response, unsigned version, bool keep_alive, bool is_head) {
        auto message = std::make_shared<http::response<http::string_body>>();
        message->version(version);
        message->result(response.status);
        message->set(http::field::content_type, response.content_type);
        for (const auto& [name, value] : response.headers) {
            message->set(name, value);
        }
        message->set(http::field::date, http_date());
        message->keep_alive(keep_alive);
        message->content_length(response.body.size());
        if (!is_head) {
            message->body() = std::move(response.body);
        }
        stream_.expires_after(owner_->limits.request);
        http::async_write(stream_, *message,
                          [self = shared_from_this(), message](const error_code& error, std::size_t) {
                              if (error) {
                                  return;
                              }
                              if (!message->keep_alive()) {
                                  return self->end();
                              }
                              self->stream_.expires_after(self->owner_->limits.idle);
                              self->read_request();
                          });
    }

    // Closing while something is unread would reset the connection, and the response might be lost.
    void end() {
        error_code ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
        stream_.expires_after(owner_->limits.request);
        read_rest();
    }

    void read_rest() {
        buffer_.clear();
        stream_.async_read_some(buffer_.prepare(kReadSize),
                                [self = shared_from_this()](const error_code& error, std::size_t) {
                                    if (!error) {
                                        self->read_rest();
                                    }
                                });
    }

    beast::tcp_stream stream_;
    std::shared_ptr<State> owner_;
    std::list<Connection*>::iterator place_;
    beast::flat_buffer buffer_{kBufferLimit};
    std::optional<http::request_parser<http::string_body>> parser_;
};

void HttpListener::State::open() {
    const tcp::endpoint where = endpoint(at);
    error_code code;
    // Each step only if the one before did not fail.
    acceptor.open(where.protocol(), code);
    if (!code) {
        acceptor.set_option(tcp::acceptor::reuse_address(true), code);
    }
    if (!code && where.protocol() == tcp::v6()) {
        acceptor.set_option(asio::ip::v6_only(false), code);
    }
    if (!code) {
        acceptor.bind(where, code);
    }
    if (!code) {
        acceptor.listen(asio::socket_base::max_listen_connections, code);
    }
    if (code) {
        fail(code);
        return try_again(&State::open);
    }
    port = acceptor.local_endpoint(code).port();
    if (error) {
        log::info("{} listens on {} now", what, at.to_string());
        error.reset();
    }
    accept();
}

// Said once, until it is over or another one.
void HttpListener::State::fail(const error_code& code) {
    error_code ignored;
    acceptor.close(ignored);
    port = 0;
    const Error now{"listen on", at.to_string() + " for " + what, code.message() + "; it is tried again"};
    if (!error || error->message() != now.message()) {
        log::error("{}", now.message());
    }
    error = now;
}

void HttpListener::State::try_again(void (State::*step)()) {
    timer.expires_after(limits.retry);
    timer.async_wait([self = shared_from_this(), step](const error_code& stopped) {
        if (!stopped && !self->closed) {
            (self.get()->*step)();
        }
    });
}

void HttpListener::State::accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& code, tcp::socket socket) {
        if (self->closed) {
            return;
        }
        if (code == asio::error::connection_aborted || !code) {
            if (!code) {
                self->take(std::move(socket));
            }
            return self->accept();
        }
        log::warn("{} cannot accept a connection: {}", self->what, code.message());  // no descriptor is left
        self->try_again(&State::accept);
    });
}

void HttpListener::State::take(tcp::socket socket) {
    if (connections.size() >= limits.connections) {
        connections.front()->close();
    }
    std::make_shared<Connection>(std::move(socket), shared_from_this())->start();
}

void HttpListener::State::close() {
    closed = true;
    error_code ignored;
    acceptor.close(ignored);
    timer.cancel();
    for (Connection* connection : connections) {
        connection->close();
    }
}

HttpListener::HttpListener(asio::io_context& loop, const AddressPort& at, std::string what, HttpHandler handler,
                           const HttpLimits& limits)
    : state_(std::make_shared<State>(loop, at, std::move(what), std::move(handler), limits)) {
    state_->open();
}

HttpListener::HttpListener(HttpListener&&) noexcept = default;

HttpListener::~HttpListener() {
    if (state_) {
        state_->close();
    }
}

std::uint16_t HttpListener::port() const {
    return state_->port;
}
const std::optional<Error>& HttpListener::error() const {
    return state_->error;
}

}  // namespace shunt
