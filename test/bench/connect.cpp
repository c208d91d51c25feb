// SPDX-License-Identifier: Apache-2.0
// TCP the way it hurts a load balancer: connections of one byte each way; and the time of one byte there and back on
// a connection that stands.
//   bench_connect serve   cpu= port=                     echoes until it is ended; prints "ready"
//   bench_connect connect cpu= from= to= port= connections= concurrency= seconds=
//   bench_connect latency cpu= from= to= port= requests=
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "test/bench/arguments.h"

namespace shunt::bench {
namespace {

std::uint64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

sockaddr_in socket_address(std::uint32_t address, std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_addr.s_addr = address;
    result.sin_port = htons(port);
    return result;
}

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

int make_epoll() {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    check(epoll >= 0, "epoll");
    return epoll;
}

void watch(int epoll, int fd, std::uint32_t events, int operation = EPOLL_CTL_ADD) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    check(epoll_ctl(epoll, operation, fd, &event) == 0, "epoll_ctl");
}

void serve(const Arguments& arguments) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    const sockaddr_in here = socket_address(INADDR_ANY, static_cast<std::uint16_t>(arguments.number("port")));
    check(bind(listener, generic(here), sizeof(here)) == 0 && listen(listener, 4096) == 0, "listen");
    const int epoll = make_epoll();
    watch(epoll, listener, EPOLLIN);
    std::puts("ready");
    std::fflush(stdout);
    std::array<epoll_event, 64> events{};
    while (true) {
        const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; i++) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
                if (accepted >= 0) {
                    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                    watch(epoll, accepted, EPOLLIN);
                }
                continue;
            }
            char byte;
            if (read(fd, &byte, 1) != 1 || write(fd, &byte, 1) != 1) {
                close(fd);
            }
        }
    }
}

// -1: it failed at once.
int start_connection(const Arguments& arguments, int flags) {
    const sockaddr_in from = socket_address(arguments.address("from").words[0], 0);
    const sockaddr_in to =
        socket_address(arguments.address("to").words[0], static_cast<std::uint16_t>(arguments.number("port")));
    const int fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    const int one = 1;
    check(fd >= 0, "socket");
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    check(bind(fd, generic(from), sizeof(from)) == 0, "bind " + arguments.text("from"));
    if (connect(fd, generic(to), sizeof(to)) != 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

void connect_many(const Arguments& arguments) {
    const std::uint64_t wanted = arguments.number("connections"), concurrency = arguments.number("concurrency");
    const int epoll = make_epoll();
    std::uint64_t started = 0, done = 0, failed = 0;
    const auto start_next = [&] {
        while (started < wanted) {
            started++;
            const int fd = start_connection(arguments, SOCK_NONBLOCK);
            if (fd >= 0) {
                watch(epoll, fd, EPOLLOUT);
                return;
            }
            failed++;
        }
    };
    const std::uint64_t begin = now_ns();
    const std::uint64_t deadline = begin + arguments.number("seconds") * 1'000'000'000;
    std::uint64_t end = begin;
    for (std::uint64_t i = 0; i < concurrency; i++) {
        start_next();
    }
    std::array<epoll_event, 64> events{};
    while (done + failed < started && now_ns() < deadline) {
        const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 100);
        for (int i = 0; i < count; i++) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            const int fd = event.data.fd;
            char byte = 'x';
            if ((event.events & EPOLLOUT) != 0 && write(fd, &byte, 1) == 1) {
                watch(epoll, fd, EPOLLIN, EPOLL_CTL_MOD);
                continue;
            }
            if ((event.events & EPOLLIN) != 0 && read(fd, &byte, 1) == 1) {
                done++;
                end = now_ns();
            } else {
                failed++;
            }
            close(fd);
            start_next();
        }
    }
    std::printf("{\"connections\": %llu, \"failed\": %llu, \"seconds\": %.6f}\n", static_cast<unsigned long long>(done),
                static_cast<unsigned long long>(failed), static_cast<double>(end - begin) / 1e9);
}

void measure_latency(const Arguments& arguments) {
    const int fd = start_connection(arguments, 0);
    check(fd >= 0, "connect");
    const timeval limit{.tv_sec = 2, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    std::vector<std::uint64_t> times(arguments.number("requests"));
    for (std::uint64_t& time : times) {
        char byte = 'x';
        const std::uint64_t begin = now_ns();
        check(write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1, "one byte there and back");
        time = now_ns() - begin;
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
    if (what == "serve") {
        serve(arguments);
    } else if (what == "connect") {
        connect_many(arguments);
    } else if (what == "latency") {
        measure_latency(arguments);
    } else {
        give_up("usage: bench_connect serve|connect|latency KEY=VALUE...");
    }
}
