// SPDX-License-Identifier: Apache-2.0
// What is asked of the API server: three kinds of objects, each listed and watched, and nothing else.
#pragma once

#include <string>
#include <string_view>

namespace shunt {

struct Resource {
    std::string kind;      // Service
    std::string plural;    // services
    std::string group;     // of the API; empty: core
    std::string path;      // /api/v1/services
    std::string selector;  // label and field selector as a query, encoded, without `?` and `&` at its ends

    // The target of a request; `continue_token` and `resource_version` may be empty, `limit` 0.
    std::string list_target(std::size_t limit, std::string_view continue_token, std::string_view resource_version) const;
    // A list as a stream: what there is, each as an event, then a bookmark that says so.
    std::string stream_target(std::string_view resource_version, long timeout_seconds) const;
    std::string watch_target(std::string_view resource_version, long timeout_seconds) const;
};

// kube-proxy's selectors (1.32): Services and EndpointSlices that are some proxy's own, and headless ones, are not asked for.
Resource services();
Resource endpoint_slices();
Resource node(std::string_view name);

// RFC 3986: all but letters, digits and -._~ is escaped.
std::string url_encode(std::string_view text);

}  // namespace shunt
