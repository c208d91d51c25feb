// SPDX-License-Identifier: Apache-2.0
// TCP the way it hurts a load balancer: connections of one byte each way; and the time of one byte there and back on
// a connection that stands. One thread is client and server, with sockets in two namespaces: a packet has gone its
// whole way when the system call that sent it returns, so no waking and no switching blurs what the way costs.
//   bench_connect connect client-space=PATH server-space=PATH cpu= from= to= port= server-port= connections=
//   bench_connect latency ... requests=
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <vector>

#include "agent/support/fd.h"
#include "test/bench/arguments.h"

namespace shunt::bench {
namespace {

constexpr int AT_ONCE = 16;
constexpr int ONE = 1;

std::uint64_t clock_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void enter(const std::string& path) {
    const Fd space(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    check(space && setns(space.get(), CLONE_NEWNET) == 0, "enter " + path);
}

sockaddr_in socket_address(std::uint32_t address, std::uint64_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_addr.s_addr = address;
    result.sin_port = htons(static_cast<std::uint16_t>(port));
    return result;
}

const sockaddr* generic(const sockaddr_in& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

// No call waits longer.
void limit_waiting(int fd) {
    const timeval limit{.tv_sec = 3, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &ONE, sizeof(ONE));
}

bool send_byte(const Fd& to) {
    const char byte = 'x';
    return send(to.get(), &byte, 1, MSG_NOSIGNAL) == 1;
}

bool receive_byte(const Fd& from) {
    char byte = 0;
    return recv(from.get(), &byte, 1, 0) == 1;
}

class Pair {
public:
    explicit Pair(const Arguments& arguments)
        : from_(socket_address(arguments.address("from").words[0], 0)),
          to_(socket_address(arguments.address("to").words[0], arguments.number("port"))) {
        enter(arguments.text("server-space"));
        listener_ = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &ONE, sizeof(ONE));
        limit_waiting(listener_.get());
        const sockaddr_in here = socket_address(INADDR_ANY, arguments.number("server-port"));
        check(bind(listener_.get(), generic(here), sizeof(here)) == 0 && listen(listener_.get(), 64) == 0, "listen");
        enter(arguments.text("client-space"));
    }

    // Begins a connection; an empty Fd if that failed at once.
    Fd connect_to() const {
        Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &ONE, sizeof(ONE));
        check(bind(fd.get(), generic(from_), sizeof(from_)) == 0, "bind the client's address");
        if (connect(fd.get(), generic(to_), sizeof(to_)) != 0 && errno != EINPROGRESS) {
            return Fd();
        }
        fcntl(fd.get(), F_SETFL, 0);
        limit_waiting(fd.get());
        return fd;
    }

    Fd accept_one() const {
        Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (fd) {
            limit_waiting(fd.get());
        }
        return fd;
    }

private:
    sockaddr_in from_, to_;
    Fd listener_;
};

// 16 connections, all a step at a time. Returns how many got their byte back.
int connect_some(const Pair& pair) {
    std::array<Fd, AT_ONCE> clients, servers;
    int done = 0;
    for (Fd& client : clients) {
        client = pair.connect_to();
    }
    for (Fd& server : servers) {
        server = pair.accept_one();
        if (!server) {
            return 0;
        }
    }
    for (const Fd& client : clients) {
        send_byte(client);
    }
    for (const Fd& server : servers) {
        if (receive_byte(server)) {
            send_byte(server);
        }
    }
    for (Fd& client : clients) {
        done += receive_byte(client);
        client.reset();
    }
    return done;
}

void connect_many(const Arguments& arguments) {
    const Pair pair(arguments);
    const std::uint64_t wanted = arguments.number("connections") / AT_ONCE * AT_ONCE;
    std::uint64_t done = 0, failed = 0;
    const std::uint64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    while (done + failed < wanted && failed < 10 * AT_ONCE) {
        const int some = connect_some(pair);
        done += static_cast<std::uint64_t>(some);
        failed += static_cast<std::uint64_t>(AT_ONCE - some);
    }
    const double seconds = static_cast<double>(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / 1e9;
    std::printf("{\"connections\": %llu, \"failed\": %llu, \"cpu_seconds\": %.6f}\n",
                static_cast<unsigned long long>(done), static_cast<unsigned long long>(failed), seconds);
}

void measure_latency(const Arguments& arguments) {
    const Pair pair(arguments);
    const Fd client = pair.connect_to(), server = pair.accept_one();
    check(client && server, "connect");
    std::vector<std::uint64_t> times(arguments.number("requests"));
    for (std::uint64_t& time : times) {
        const std::uint64_t begin = clock_ns(CLOCK_MONOTONIC);
        check(send_byte(client) && receive_byte(server) && send_byte(server) && receive_byte(client),
              "one byte there and back");
        time = clock_ns(CLOCK_MONOTONIC) - begin;
    }
    std::sort(times.begin(), times.end());
    std::printf("{\"requests\": %zu, \"p50_ns\": %llu, \"p99_ns\": %llu}\n", times.size(),
                static_cast<unsigned long long>(times[times.size() / 2]),
                static_cast<unsigned long long>(times[times.size() * 99 / 100]));
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
    using namespace shunt::bench;
    const std::string what = argc > 1 ? argv[1] : "";
    const Arguments arguments(argc, argv, 2);
    stay_on_cpu(arguments.number("cpu"));
    if (what == "connect") {
        connect_many(arguments);
    } else if (what == "latency") {
        measure_latency(arguments);
    } else {
        give_up("usage: bench_connect connect|latency KEY=VALUE...");
    }
}
