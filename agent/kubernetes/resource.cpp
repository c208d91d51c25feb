// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/resource.h"

namespace shunt {
namespace {

const std::string kNotHeadlessNorOthers =
    "labelSelector=%21service.kubernetes.io%2Fheadless%2C%21service.kubernetes.io%2Fservice-proxy-name";

}  // namespace

std::string url_encode(std::string_view text) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              std::string_view("-._~").find(c) != std::string_view::npos;
        if (is_plain) {
            encoded += c;
        } else {
            const auto octet = static_cast<unsigned char>(c);
            encoded += {'%', hex[octet >> 4], hex[octet & 15]};
        }
    }
    return encoded;
}

std::string Resource::list_target(std::size_t limit, std::string_view continue_token, std::string_view resource_version) const {
    std::string target = path + '?' + selector;
    if (limit != 0) {
        target += "&limit=" + std::to_string(limit);
    }
    if (!continue_token.empty()) {
        target += "&continue=" + url_encode(continue_token);
    }
    if (!resource_version.empty()) {
        target += "&resourceVersion=" + url_encode(resource_version);
    }
    return target;
}

std::string Resource::watch_target(std::string_view resource_version, long timeout_seconds) const {
    return path + '?' + selector + "&watch=true&allowWatchBookmarks=true&resourceVersion=" + url_encode(resource_version) +
           "&timeoutSeconds=" + std::to_string(timeout_seconds);
}

std::string Resource::stream_target(std::string_view resource_version, long timeout_seconds) const {
    std::string target = path + '?' + selector + "&watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    if (!resource_version.empty()) {
        target += "&resourceVersion=" + url_encode(resource_version);
    }
    return target + "&timeoutSeconds=" + std::to_string(timeout_seconds);
}

Resource services() {
    return {.kind = "Service",
            .plural = "services",
            .group = "",
            .path = "/api/v1/services",
            .selector = "fieldSelector=spec.clusterIP%21%3DNone&" + kNotHeadlessNorOthers};
}

Resource endpoint_slices() {
    return {.kind = "EndpointSlice",
            .plural = "endpointslices",
            .group = "discovery.k8s.io",
            .path = "/apis/discovery.k8s.io/v1/endpointslices",
            .selector = kNotHeadlessNorOthers};
}

Resource node(std::string_view name) {
    return {.kind = "Node",
            .plural = "nodes",
            .group = "",
            .path = "/api/v1/nodes",
            .selector = "fieldSelector=metadata.name%3D" + url_encode(name)};
}

}  // namespace shunt
