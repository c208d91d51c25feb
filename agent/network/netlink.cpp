// SPDX-License-Identifier: Apache-2.0
#include "agent/network/netlink.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>

namespace shunt {
namespace {

constexpr std::size_t ANSWER_SIZE = std::size_t{64} * 1024;  // the kernel fills at most 32 KiB of a dump at a time
constexpr int DUMP_ATTEMPTS = 5;
constexpr timeval ANSWER_TIMEOUT = {.tv_sec = 5, .tv_usec = 0};

struct Collector {
    Attributes* attributes;
    std::uint16_t highest;
};

int collect(const nlattr* attribute, void* data) {
    const Collector& collector = *static_cast<Collector*>(data);
    const std::uint16_t type = mnl_attr_get_type(attribute);
    if (type <= collector.highest) {
        (*collector.attributes)[type] = attribute;
    }
    return MNL_CB_OK;
}

std::string extended_reason(const nlmsghdr& message) {
    if ((message.nlmsg_flags & NLM_F_ACK_TLVS) == 0) {
        return {};
    }
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
    std::size_t body = sizeof(nlmsgerr);
    if ((message.nlmsg_flags & NLM_F_CAPPED) == 0) {
        body += error->msg.nlmsg_len - sizeof(nlmsghdr);
    }
    if (mnl_nlmsg_get_payload_len(&message) < body) {
        return {};
    }
    return string_of(parse_attributes(message, body, NLMSGERR_ATTR_MAX)[NLMSGERR_ATTR_MSG]);
}

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) {
    nlmsghdr* head = mnl_nlmsg_put_header(buffer_.data());
    head->nlmsg_type = type;
    head->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

void NetlinkRequest::put_u32(std::uint16_t attribute, std::uint32_t value) {
    mnl_attr_put_u32(header(), attribute, value);
}

void NetlinkRequest::put_u8(std::uint16_t attribute, std::uint8_t value) {
    mnl_attr_put_u8(header(), attribute, value);
}

void NetlinkRequest::put_string(std::uint16_t attribute, const char* value) {
    mnl_attr_put_strz(header(), attribute, value);
}

void NetlinkRequest::put_address(std::uint16_t attribute, const IpAddress& address) {
    mnl_attr_put(header(), attribute, address.family == IPV4 ? 4 : ADDRESS_SIZE, address.octets.data());
}

Result<Netlink> Netlink::open(int protocol) {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!fd) {
        return failure_errno("open netlink socket", "");
    }
    // Three wishes; an old kernel that grants none of them still answers.
    const int on = 1;
    ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &ANSWER_TIMEOUT, sizeof(ANSWER_TIMEOUT));
    sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return failure_errno("bind netlink socket", "");
    }
    return Netlink(std::move(fd));
}

int Netlink::request(NetlinkRequest& request, const NetlinkVisitor& visit) {
    return exchange(request, NLM_F_ACK, visit);
}

int Netlink::dump(NetlinkRequest& request, const NetlinkVisitor& visit) {
    for (int attempt = 0; attempt < DUMP_ATTEMPTS; ++attempt) {
        const int error = exchange(request, NLM_F_DUMP, visit);
        if (error != ECANCELED) {
            return error;
        }
    }
    return ECANCELED;
}

int Netlink::exchange(NetlinkRequest& request, std::uint16_t flags, const NetlinkVisitor& visit) {
    nlmsghdr* head = request.header();
    head->nlmsg_flags |= flags;
    head->nlmsg_seq = ++sequence_;
    buffer_.resize(ANSWER_SIZE);
    if (::send(fd_.get(), head, head->nlmsg_len, 0) < 0) {
        return fail(errno);
    }
    bool torn = false;
    while (true) {
        const ssize_t received = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
        if (received < 0) {
            if (errno == EINTR) {
                continue;
            }
            return fail(errno == EAGAIN ? ETIMEDOUT : errno);
        }
        if (static_cast<std::size_t>(received) > buffer_.size()) {
            return fail(EMSGSIZE);
        }
        int left = static_cast<int>(received);
        const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_seq != sequence_) {
                continue;  // what an earlier, abandoned exchange left behind
            }
            torn |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
                const bool has_code = mnl_nlmsg_get_payload_len(message) >= sizeof(int);
                const int code = has_code ? *static_cast<const int*>(mnl_nlmsg_get_payload(message)) : 0;
                if (code < 0) {
                    fail(-code);
                    if (message->nlmsg_type == NLMSG_ERROR) {
                        if (std::string words = extended_reason(*message); !words.empty()) {
                            reason_ = std::move(words);
                        }
                    }
                    return -code;
                }
                return torn ? fail(ECANCELED) : 0;
            }
            if (visit && message->nlmsg_type >= NLMSG_MIN_TYPE) {
                visit(*message);
            }
        }
    }
}

int Netlink::fail(int error) {
    reason_ = std::strerror(error);
    return error;
}

Attributes parse_attributes(const nlmsghdr& message, std::size_t body_size, std::uint16_t highest) {
    Attributes attributes(highest + 1U, nullptr);
    Collector collector{&attributes, highest};
    if (mnl_nlmsg_get_payload_len(&message) >= body_size) {
        mnl_attr_parse(&message, static_cast<unsigned>(body_size), collect, &collector);
    }
    return attributes;
}

Attributes parse_nested(const nlattr& parent, std::uint16_t highest) {
    Attributes attributes(highest + 1U, nullptr);
    Collector collector{&attributes, highest};
    mnl_attr_parse_nested(&parent, collect, &collector);
    return attributes;
}

std::optional<IpAddress> address_of(const nlattr* attribute, int af) {
    const std::size_t size = af == AF_INET ? 4 : ADDRESS_SIZE;
    if (attribute == nullptr || (af != AF_INET && af != AF_INET6) || mnl_attr_get_payload_len(attribute) != size) {
        return std::nullopt;
    }
    IpAddress address{.family = af == AF_INET ? IPV4 : IPV6};
    std::memcpy(address.octets.data(), mnl_attr_get_payload(attribute), size);
    return address;
}

std::uint32_t u32_of(const nlattr* attribute) {
    const bool fits = attribute != nullptr && mnl_attr_get_payload_len(attribute) >= sizeof(std::uint32_t);
    return fits ? mnl_attr_get_u32(attribute) : 0;
}

std::uint8_t u8_of(const nlattr* attribute) {
    return attribute != nullptr && mnl_attr_get_payload_len(attribute) >= 1 ? mnl_attr_get_u8(attribute) : 0;
}

std::string string_of(const nlattr* attribute) {
    if (attribute == nullptr) {
        return {};
    }
    const char* text = static_cast<const char*>(mnl_attr_get_payload(attribute));
    return {text, ::strnlen(text, mnl_attr_get_payload_len(attribute))};
}

int af_of(address_family family) {
    return family == IPV4 ? AF_INET : AF_INET6;
}

}  // namespace shunt
