// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/proxy_header.h"

#include <algorithm>

namespace shunt {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedSize = 16;  // signature, version and command, family, length
constexpr unsigned kVersion = 2;
constexpr unsigned kLastCommand = 1;  // LOCAL and PROXY

}  // namespace

ProxyHeader find_proxy_header(std::string_view beginning) {
    using enum ProxyHeader::State;
    const std::size_t known = std::min(beginning.size(), kSignature.size());
    if (beginning.substr(0, known) != kSignature.substr(0, known)) {
        return {none};
    }
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(beginning[at]); };
    if (beginning.size() > kSignature.size() && (byte(12) >> 4 != kVersion || (byte(12) & 0xf) > kLastCommand)) {
        return {broken};
    }
    if (beginning.size() < kFixedSize) {
        return {incomplete};
    }
    const std::size_t size = kFixedSize + (byte(14) << 8 | byte(15));
    if (size > kProxyHeaderMax) {
        return {broken};
    }
    return beginning.size() < size ? ProxyHeader{incomplete} : ProxyHeader{complete, size};
}

}  // namespace shunt
