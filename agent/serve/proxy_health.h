// SPDX-License-Identifier: Apache-2.0
// What /healthz and /livez say, as kube-proxy's (pkg/proxy/healthcheck). Pure: the time is the caller's.
//
// Healthy is whoever has brought all changes into force, or has the oldest one waiting for less than a minute: twice
// kube-proxy's sync period. So a starting agent is healthy, and one that waits in vain is not.
// A node that is about to go is not eligible: /healthz fails while traffic is still forwarded.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "agent/model/object.h"
#include "agent/serve/http_listener.h"

namespace shunt {

inline constexpr std::uint64_t kQueuedAtMostNs = 60'000'000'000;

struct Moment {
    std::uint64_t monotonic_ns = 0;
    std::chrono::system_clock::time_point wall;

    static Moment now();
};

class ProxyHealth {
public:
    void queued(const Moment& now);    // a change was noticed
    void in_force(const Moment& now);  // and all that were

    // The own Node: its deletion has begun, or the cluster autoscaler's taint says that it will. nullptr: nothing is
    // known, which changes nothing.
    void see_node(const Node* node);

    bool is_healthy(std::uint64_t monotonic_ns) const;
    bool is_node_eligible() const { return is_node_eligible_; }

    // Both with the status that they stand for: 200 or 503.
    HttpResponse healthz(const Moment& now) const;
    HttpResponse livez(const Moment& now) const;  // whatever becomes of the Node

    std::optional<std::chrono::system_clock::time_point> last_queued() const { return last_queued_; }
    std::optional<std::chrono::system_clock::time_point> last_in_force() const { return last_in_force_; }

private:
    HttpResponse response(const Moment& now, bool with_node) const;

    std::optional<std::uint64_t> waiting_since_ns_;  // the oldest change that is not in force
    std::optional<std::chrono::system_clock::time_point> last_queued_, last_in_force_;
    bool is_node_eligible_ = true;
};

}  // namespace shunt
