// SPDX-License-Identifier: Apache-2.0
// HttpClient by libcurl's multi interface. curl says which sockets and which time it waits for; all of that stands in one
// epoll descriptor, which the agent's event loop watches like any other.
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "agent/kubernetes/http.h"
#include "agent/support/fd.h"

namespace shunt {
namespace {

constexpr long kConnectTimeoutMs = 10000;
constexpr long kKeptConnections = 4;
// A peer that is gone without a word: probed after so long without traffic, given up when it is silent for so long.
constexpr long kKeepAliveIdleSeconds = 30;
constexpr long kKeepAliveIntervalSeconds = 10;
constexpr unsigned kUnansweredMs = 60000;

class CurlExchange final : public HttpExchange {
public:
    CurlExchange(CURLM* multi, const ClusterAccess& access, const HttpRequest& request, HttpAnswerHandler& handler)
        : multi_(multi), easy_(curl_easy_init()), handler_(handler), url_(access.server + request.target) {
        set(CURLOPT_ERRORBUFFER, error_text_.data());
        set(CURLOPT_PRIVATE, this);
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_USERAGENT, "shunt/" SHUNT_VERSION);
        set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
        set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.at_most.count()));
        if (request.longest_silence.count() != 0) {
            set(CURLOPT_LOW_SPEED_LIMIT, 1L);
            set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.longest_silence.count()));
        }
        if (request.may_be_compressed) {
            set(CURLOPT_ACCEPT_ENCODING, "gzip");
        }
        set(CURLOPT_TCP_KEEPALIVE, 1L);
        set(CURLOPT_TCP_KEEPIDLE, kKeepAliveIdleSeconds);
        set(CURLOPT_TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
        set(CURLOPT_SOCKOPTFUNCTION, &CurlExchange::on_socket_made);
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        set(CURLOPT_HEADERFUNCTION, &CurlExchange::on_header);
        set(CURLOPT_HEADERDATA, this);
        set(CURLOPT_WRITEFUNCTION, &CurlExchange::on_write);
        set(CURLOPT_WRITEDATA, this);
        set_headers(request);
        set_tls(access);
        set_server(access, request);
        curl_multi_add_handle(multi_, easy_);
    }

    ~CurlExchange() override {
        curl_multi_remove_handle(multi_, easy_);
        curl_easy_cleanup(easy_);
        curl_slist_free_all(headers_);
        curl_slist_free_all(connect_to_);
    }

    // The exchange may be gone when this returns.
    void finish(CURLcode code) {
        if (code == CURLE_OK || is_enough_) {
            return handler_.on_end(std::nullopt);
        }
        // curl's own text of these two says how long it took, which makes each another error.
        const bool says_time = code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT;
        std::string reason = error_text_[0] != '\0' && !says_time ? error_text_.data() : curl_easy_strerror(code);
        long number = 0;
        if (says_time && curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &number) == CURLE_OK && number != 0) {
            reason += std::string(": ") + std::strerror(static_cast<int>(number));
        }
        if (code == CURLE_PEER_FAILED_VERIFICATION) {
            reason += "; the certificate authority is the one that " + ca_from_ + " names";
        }
        handler_.on_end(Error{"ask", url_.substr(0, url_.find('?')), std::move(reason)});
    }

private:
    template <typename Value>
    void set(CURLoption option, Value value) {
        curl_easy_setopt(easy_, option, value);
    }

    void set_headers(const HttpRequest& request) {
        headers_ = curl_slist_append(headers_, "Accept: application/json");
        if (!request.bearer_token.empty()) {
            headers_ = curl_slist_append(headers_, ("Authorization: Bearer " + request.bearer_token).c_str());
        }
        set(CURLOPT_HTTPHEADER, headers_);
    }

    void set_pem(const Pem& pem, CURLoption file, CURLoption content) {
        if (!pem.data.empty()) {
            curl_blob blob{const_cast<char*>(pem.data.data()), pem.data.size(), CURL_BLOB_COPY};
            set(content, &blob);
        } else if (!pem.path.empty()) {
            set(file, pem.path.c_str());
        }
    }

    void set_tls(const ClusterAccess& access) {
        ca_from_ = access.from;
        set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
        if (!access.verify) {
            set(CURLOPT_SSL_VERIFYPEER, 0L);
            set(CURLOPT_SSL_VERIFYHOST, 0L);
        }
        if (!access.ca.empty()) {
            set(CURLOPT_CAPATH, static_cast<char*>(nullptr));  // this authority and no other
            set_pem(access.ca, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB);
        }
        set_pem(access.client_certificate, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB);
        set_pem(access.client_key, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB);
    }

    // A certificate for another name: the URL carries that name, and the connection goes where the server is.
    void set_server(const ClusterAccess& access, const HttpRequest& request) {
        if (!access.proxy_url.empty()) {
            set(CURLOPT_PROXY, access.proxy_url.c_str());
            set(CURLOPT_NOPROXY, "");  // $NO_PROXY is for the other ones
        }
        std::string url = url_;
        if (!access.tls_server_name.empty()) {
            const std::size_t begin = access.server.find("://") + 3;
            const std::string authority = access.server.substr(begin, access.server.find('/', begin) - begin);
            const std::size_t colon = authority.find(':', authority.find(']') == authority.npos ? 0 : authority.find(']'));
            const std::string port = colon == authority.npos ? "" : authority.substr(colon);
            url = access.server.substr(0, begin) + access.tls_server_name + port +
                  access.server.substr(begin + authority.size()) + request.target;
            connect_to_ = curl_slist_append(connect_to_, ("::" + authority.substr(0, colon) + (port.empty() ? ":" : port)).c_str());
            set(CURLOPT_CONNECT_TO, connect_to_);
        }
        set(CURLOPT_URL, url.c_str());
    }

    static int on_socket_made(void*, curl_socket_t socket, curlsocktype) {
        setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnansweredMs, sizeof(kUnansweredMs));
        return CURL_SOCKOPT_OK;
    }

    static std::size_t on_header(char* text, std::size_t, std::size_t size, void* exchange) {
        static_cast<CurlExchange*>(exchange)->take_header({text, size});
        return size;
    }

    static std::size_t on_write(char* bytes, std::size_t, std::size_t size, void* exchange) {
        auto* const self = static_cast<CurlExchange*>(exchange);
        self->is_enough_ = self->is_enough_ || !self->handler_.on_body({bytes, size});
        return self->is_enough_ ? 0 : size;
    }

    // The empty line ends a head; that of "100 Continue" and its like is not the one.
    void take_header(std::string_view line) {
        if (line != "\r\n" && line != "\n") {
            return;
        }
        long status = 0;
        curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
        if (status < 200 || has_head_) {
            return;  // after has_head_ these are trailers
        }
        has_head_ = true;
        HttpHead head{.status = static_cast<int>(status), .retry_after = {}};
        curl_off_t seconds = 0;
        curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &seconds);
        if (seconds > 0) {
            head.retry_after = std::chrono::seconds(seconds);
        }
        handler_.on_head(head);
    }

    CURLM* multi_;
    CURL* easy_;
    HttpAnswerHandler& handler_;
    std::string url_;
    std::string ca_from_;
    curl_slist* headers_ = nullptr;
    curl_slist* connect_to_ = nullptr;
    std::array<char, CURL_ERROR_SIZE> error_text_{};
    bool has_head_ = false;
    bool is_enough_ = false;
};

class CurlClient final : public HttpClient {
public:
    CurlClient(const ClusterAccess& access, CURLM* multi, Fd epoll, Fd timer)
        : access_(access), multi_(multi), epoll_(std::move(epoll)), timer_(std::move(timer)) {
        curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlClient::on_socket);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlClient::on_timer);
        curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kKeptConnections);
        epoll_event event{.events = EPOLLIN, .data = {.fd = timer_.get()}};
        epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_.get(), &event);
    }

    ~CurlClient() override { curl_multi_cleanup(multi_); }

    std::unique_ptr<HttpExchange> start(const HttpRequest& request, HttpAnswerHandler& handler) override {
        return std::make_unique<CurlExchange>(multi_, access_, request, handler);
    }

    int fd() const override { return epoll_.get(); }

    void run() override {
        std::array<epoll_event, 16> events;
        const int number = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
        for (int i = 0; i < number; i++) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.fd == timer_.get()) {
                std::uint64_t times = 0;
                [[maybe_unused]] const auto taken = ::read(timer_.get(), &times, sizeof(times));
                continue;
            }
            int happened = (event.events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;
            happened |= (event.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
            happened |= (event.events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0;
            int running = 0;
            curl_multi_socket_action(multi_, event.data.fd, happened, &running);
        }
        if (curl_time_ && *curl_time_ <= SteadyClock::now()) {
            curl_time_.reset();
            int running = 0;
            curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        finish_exchanges();
        arm();
    }

    void wake_at(std::optional<SteadyClock::time_point> time) override {
        wake_time_ = time;
        arm();
    }

private:
    void finish_exchanges() {
        int left = 0;
        while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) {
                continue;
            }
            const CURLcode code = message->data.result;  // the message does not outlive the exchange
            CurlExchange* exchange = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
            exchange->finish(code);
        }
    }

    // The timer goes off at the earlier of both times.
    void arm() {
        std::optional<SteadyClock::time_point> next = curl_time_;
        if (wake_time_ && (!next || *wake_time_ < *next)) {
            next = wake_time_;
        }
        itimerspec when{};
        if (next) {
            const auto wait = std::max(std::chrono::nanoseconds(*next - SteadyClock::now()), std::chrono::nanoseconds(1));
            when.it_value.tv_sec = wait.count() / 1000000000;
            when.it_value.tv_nsec = wait.count() % 1000000000;
        }
        timerfd_settime(timer_.get(), 0, &when, nullptr);
    }

    static int on_socket(CURL*, curl_socket_t socket, int what, void* client, void* known) {
        auto* const self = static_cast<CurlClient*>(client);
        if (what == CURL_POLL_REMOVE) {
            epoll_ctl(self->epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
            return 0;
        }
        epoll_event event{.events = 0, .data = {.fd = socket}};
        if ((what & CURL_POLL_IN) != 0) {
            event.events |= EPOLLIN;
        }
        if ((what & CURL_POLL_OUT) != 0) {
            event.events |= EPOLLOUT;
        }
        epoll_ctl(self->epoll_.get(), known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
        curl_multi_assign(self->multi_, socket, self);  // from now on it is known
        return 0;
    }

    static int on_timer(CURLM*, long timeout_ms, void* client) {
        auto* const self = static_cast<CurlClient*>(client);
        self->curl_time_.reset();
        if (timeout_ms >= 0) {
            self->curl_time_ = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
        }
        self->arm();
        return 0;
    }

    ClusterAccess access_;
    CURLM* multi_;
    Fd epoll_;
    Fd timer_;
    std::optional<SteadyClock::time_point> curl_time_;
    std::optional<SteadyClock::time_point> wake_time_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> open_http_client(const ClusterAccess& access) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    Fd epoll(epoll_create1(EPOLL_CLOEXEC));
    Fd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!epoll || !timer) {
        return failure_errno("open", "an event queue");
    }
    CURLM* const multi = ready == CURLE_OK ? curl_multi_init() : nullptr;
    if (multi == nullptr) {
        return failure("start", "libcurl", curl_easy_strerror(ready));
    }
    return std::make_unique<CurlClient>(access, multi, std::move(epoll), std::move(timer));
}

}  // namespace shunt
