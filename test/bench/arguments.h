// SPDX-License-Identifier: Apache-2.0
// `key=value` arguments of the benchmark's tools. They are run by shuntbench only: what is missing or wrong ends them.
#pragma once

#include <arpa/inet.h>
#include <sched.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

namespace shunt::bench {

[[noreturn]] inline void give_up(const std::string& what) {
    std::fprintf(stderr, "%s%s%s\n", what.c_str(), errno != 0 ? ": " : "", errno != 0 ? std::strerror(errno) : "");
    std::exit(1);
}

inline void check(bool done, const std::string& what) {
    if (!done) {
        give_up(what);
    }
}

struct Address {
    bool is_ipv6 = false;
    std::array<std::uint32_t, 4> words{};  // network order, IPv4 in the first
};

class Arguments {
public:
    // Of main(), from argv[first] on.
    Arguments(int argc, char** argv, int first) {
        for (int i = first; i < argc; i++) {
            const std::string argument = argv[i];
            const std::size_t equals = argument.find('=');
            check(equals != std::string::npos, "not key=value: " + argument);
            values_[argument.substr(0, equals)] = argument.substr(equals + 1);
        }
        errno = 0;
    }

    bool has(const std::string& key) const { return values_.contains(key); }

    std::string text(const std::string& key) const {
        const auto found = values_.find(key);
        errno = 0;
        check(found != values_.end(), "missing: " + key + "=");
        return found->second;
    }

    std::uint64_t number(const std::string& key) const { return std::stoull(text(key)); }

    std::uint64_t number_or(const std::string& key, std::uint64_t otherwise) const {
        return has(key) ? number(key) : otherwise;
    }

    Address address(const std::string& key) const {
        Address address;
        const std::string value = text(key);
        address.is_ipv6 = value.find(':') != std::string::npos;
        check(inet_pton(address.is_ipv6 ? AF_INET6 : AF_INET, value.c_str(), address.words.data()) == 1,
              "no address: " + key + "=" + value);
        return address;
    }

    void mac(const std::string& key, std::uint8_t* bytes) const {
        const std::string value = text(key);
        check(std::sscanf(value.c_str(), "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
                          &bytes[4], &bytes[5]) == 6,
              "no MAC address: " + key + "=" + value);
    }

private:
    std::map<std::string, std::string> values_;
};

inline void stay_on_cpu(std::uint64_t cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    check(sched_setaffinity(0, sizeof(cpus), &cpus) == 0, "run on CPU " + std::to_string(cpu));
}

}  // namespace shunt::bench
