// SPDX-License-Identifier: Apache-2.0
// healthCheckNodePort: where a load balancer asks each node whether it has a local endpoint of a Service with
// externalTrafficPolicy Local. One listener for each Service and node address, opened and closed as they come and go.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "agent/model/object.h"
#include "agent/serve/http_listener.h"
#include "agent/serve/local_endpoints.h"

namespace shunt {

// Any path, as kube-proxy answers it: 200 if there is a local endpoint and the proxy is healthy, else 503.
HttpResponse health_node_port_response(const ObjectName& service, std::size_t local_endpoints, bool is_proxy_healthy);

class HealthNodePorts {
public:
    // `loop` must outlive this.
    HealthNodePorts(boost::asio::io_context& loop, std::function<bool()> is_proxy_healthy)
        : loop_(loop), is_proxy_healthy_(std::move(is_proxy_healthy)) {}
    HealthNodePorts(const HealthNodePorts&) = delete;
    HealthNodePorts& operator=(const HealthNodePorts&) = delete;

    // The node's addresses, on which all listen. Moves all listeners if they differ from the last.
    void set_addresses(std::vector<IpAddress> addresses);

    // What the Service has here now; nullopt, or without a port: it listens no more.
    void set(const ObjectName& service, const std::optional<LocalEndpoints>& local);

    std::size_t size() const { return open_.size(); }  // Services
    std::size_t not_listening() const;                 // listeners whose port cannot be bound now
    std::optional<Error> error() const;                // of the first such

private:
    struct Open {
        LocalEndpoints local;  // the handlers of `listeners` refer to it
        std::map<IpAddress, HttpListener> listeners;
    };

    void listen(const ObjectName& service, Open& open);

    boost::asio::io_context& loop_;
    std::function<bool()> is_proxy_healthy_;
    std::vector<IpAddress> addresses_;
    std::map<ObjectName, Open> open_;  // its elements stay where they are
};

}  // namespace shunt
