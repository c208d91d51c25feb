// SPDX-License-Identifier: Apache-2.0
// One netlink socket for questions and their answers, blocking, with errors as values. Notifications have a
// socket of their own (route_monitor.h), so that no answer ever waits behind them.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "agent/model/ip_address.h"
#include "agent/support/fd.h"
#include "agent/support/result.h"

namespace shunt {

// A request under construction: header, the family's fixed part, attributes.
class NetlinkRequest {
public:
    // NLM_F_REQUEST is added; NLM_F_ACK and NLM_F_DUMP are Netlink's business.
    NetlinkRequest(std::uint16_t type, std::uint16_t flags);

    // The family's fixed header, zeroed; before any attribute.
    template <typename T>
    T& body() {
        return *static_cast<T*>(mnl_nlmsg_put_extra_header(header(), sizeof(T)));
    }
    void put_u32(std::uint16_t attribute, std::uint32_t value);
    void put_u8(std::uint16_t attribute, std::uint8_t value);
    void put_string(std::uint16_t attribute, const char* value);
    void put_address(std::uint16_t attribute, const IpAddress& address);
    nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }

private:
    alignas(nlmsghdr) std::array<std::byte, 1024> buffer_{};
};

using NetlinkVisitor = std::function<void(const nlmsghdr&)>;

class Netlink {
public:
    // `protocol`: NETLINK_ROUTE or NETLINK_GENERIC. The socket belongs to the caller's network namespace.
    static Result<Netlink> open(int protocol = NETLINK_ROUTE);

    // Sends and waits for the acknowledgement; `visit` sees each answer before it. The result is 0 or the kernel's
    // errno, positive: callers decide what EEXIST or EOPNOTSUPP mean. `reason()` holds the kernel's own words.
    int request(NetlinkRequest& request, const NetlinkVisitor& visit = {});

    // All objects of a kind. A dump that a concurrent change tore is asked again, so `visit` may see an object
    // twice: it must be idempotent. ECANCELED when even the last of several attempts was torn.
    int dump(NetlinkRequest& request, const NetlinkVisitor& visit);

    // The kernel's words for the last error (extended acknowledgement), else strerror's.
    const std::string& reason() const { return reason_; }

private:
    explicit Netlink(Fd fd) : fd_(std::move(fd)) {}
    int exchange(NetlinkRequest& request, std::uint16_t flags, const NetlinkVisitor& visit);
    int fail(int error);

    Fd fd_;
    std::uint32_t sequence_ = 0;
    std::string reason_;
    std::vector<char> buffer_;
};

// Attributes of one message by type; unknown types are dropped, absent ones are nullptr.
using Attributes = std::vector<const nlattr*>;
Attributes parse_attributes(const nlmsghdr& message, std::size_t body_size, std::uint16_t highest);
Attributes parse_nested(const nlattr& parent, std::uint16_t highest);

// nullopt for an absent attribute and for one of another size than the family's.
std::optional<IpAddress> address_of(const nlattr* attribute, int af);
// 0 for an absent attribute and for one that is too short.
std::uint32_t u32_of(const nlattr* attribute);
std::uint8_t u8_of(const nlattr* attribute);
std::string string_of(const nlattr* attribute);

int af_of(address_family family);  // AF_INET or AF_INET6

}  // namespace shunt
