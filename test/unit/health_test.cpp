// SPDX-License-Identifier: Apache-2.0
// What health checks are told, and why: agent/serve without a socket.
#include <gtest/gtest.h>

#include "agent/decode/decode.h"
#include "agent/model/snapshot_edit.h"
#include "agent/serve/health_node_ports.h"
#include "agent/serve/local_endpoints.h"
#include "agent/serve/proxy_header.h"
#include "agent/serve/proxy_health.h"

namespace shunt {
namespace {

using namespace std::chrono_literals;
using State = ProxyHeader::State;

// 2026-11-23 09:41:34.625058417 UTC, and as much after it as the monotonic clock is after 1,000 s.
Moment at(std::chrono::nanoseconds later) {
    const std::chrono::nanoseconds begin(1'795'426'894'625'058'417);
    return {static_cast<std::uint64_t>((1000s + later).count()), std::chrono::system_clock::time_point(begin + later)};
}

// --- /healthz and /livez

TEST(ProxyHealth, AStartingProxyIsHealthy) {
    const ProxyHealth health;
    EXPECT_EQ(health.healthz(at(0s)).status, 200U);
    EXPECT_EQ(health.livez(at(0s)).status, 200U);
}

TEST(ProxyHealth, BodiesAndHeadersAreKubeProxys) {
    ProxyHealth health;
    health.in_force(at(0s));
    const HttpResponse healthz = health.healthz(at(1s));
    EXPECT_EQ(healthz.content_type, "application/json");
    EXPECT_EQ(healthz.headers,
              (std::vector<std::pair<std::string, std::string>>{{"X-Content-Type-Options", "nosniff"}}));
    EXPECT_EQ(
        healthz.body,
        R"({"lastUpdated": "2026-11-23 09:41:35.625058417 +0000 UTC","currentTime": "2026-11-23 09:41:35.625058417 +0000 UTC", "nodeEligible": true, "healthy": true})");
    EXPECT_EQ(
        health.livez(at(1s)).body,
        R"({"lastUpdated": "2026-11-23 09:41:35.625058417 +0000 UTC","currentTime": "2026-11-23 09:41:35.625058417 +0000 UTC", "healthy": true})");
}

TEST(ProxyHealth, AChangeMayWaitForAMinute) {
    ProxyHealth health;
    health.in_force(at(0s));
    health.queued(at(10s));
    health.queued(at(60s));  // the oldest counts
    EXPECT_TRUE(health.is_healthy(at(70s - 1ns).monotonic_ns));
    EXPECT_FALSE(health.is_healthy(at(70s).monotonic_ns));
    EXPECT_EQ(health.livez(at(70s)).status, 503U);
    EXPECT_EQ(
        health.healthz(at(70s)).body,
        R"({"lastUpdated": "2026-11-23 09:41:34.625058417 +0000 UTC","currentTime": "2026-11-23 09:42:44.625058417 +0000 UTC", "nodeEligible": true, "healthy": false})");
    health.in_force(at(71s));
    EXPECT_EQ(health.healthz(at(71s)).status, 200U);
}

TEST(ProxyHealth, ANodeThatIsAboutToGoFailsHealthzOnly) {
    for (const Node& node :
         {Node{.taints = {"other", "ToBeDeletedByClusterAutoscaler"}}, Node{.is_being_deleted = true}}) {
        ProxyHealth health;
        health.in_force(at(0s));
        health.see_node(&node);
        EXPECT_EQ(health.healthz(at(1s)).status, 503U);
        EXPECT_NE(health.healthz(at(1s)).body.find(R"("nodeEligible": false, "healthy": false)"), std::string::npos);
        EXPECT_EQ(health.livez(at(1s)).status, 200U);
        EXPECT_TRUE(health.is_healthy(at(1s).monotonic_ns));  // what healthCheckNodePorts ask
        health.see_node(nullptr);                             // nothing new is known
        EXPECT_EQ(health.healthz(at(1s)).status, 503U);
        const Node well{.taints = {"node.kubernetes.io/unschedulable"}};
        health.see_node(&well);
        EXPECT_EQ(health.healthz(at(1s)).status, 200U);
    }
}

// --- healthCheckNodePort

TEST(HealthNodePort, ResponseIsKubeProxys) {
    const HttpResponse good = health_node_port_response({"matrix", "lb-etp-local-explicit-hc"}, 1, true);
    EXPECT_EQ(good.status, 200U);
    EXPECT_EQ(good.content_type, "application/json");
    EXPECT_EQ(good.headers, (std::vector<std::pair<std::string, std::string>>{
                                {"X-Content-Type-Options", "nosniff"}, {"X-Load-Balancing-Endpoint-Weight", "1"}}));
    EXPECT_EQ(good.body,
              "{\n\t\"service\": {\n\t\t\"namespace\": \"matrix\",\n\t\t\"name\": \"lb-etp-local-explicit-hc\"\n\t},\n"
              "\t\"localEndpoints\": 1,\n\t\"serviceProxyHealthy\": true\n}");
    EXPECT_EQ(good.body.size(), 134U);  // as a kube-proxy's was
    EXPECT_EQ(health_node_port_response({"a", "b"}, 0, true).status, 503U);
    EXPECT_EQ(health_node_port_response({"a", "b"}, 3, false).status, 503U);
}

Snapshot snapshot_of(const std::string& text) {
    const auto decoded = decode_yaml("test.yaml", text);
    EXPECT_TRUE(decoded) << (decoded ? "" : decoded.error().message());
    Snapshot snapshot;
    Change change;
    if (decoded) {
        for (const Object& object : decoded->objects) {
            std::visit([&](const auto& value) { put(snapshot, value, change); }, object);
        }
    }
    return snapshot;
}

const std::string kLocalService = R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.7
  externalTrafficPolicy: Local
  healthCheckNodePort: 30777
  ports: [{name: http, port: 80}, {name: https, port: 443}]
)";

std::string slice(const std::string& name, const std::string& family, const std::string& endpoints,
                  const std::string& ports = "[{name: http, port: 8080}, {name: https, port: 8443}]") {
    return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name +
           ", namespace: shop, labels: {kubernetes.io/service-name: web}}\naddressType: " + family +
           "\nports: " + ports + "\nendpoints: [" + endpoints + "]\n";
}

std::optional<LocalEndpoints> local(const std::string& text) {
    return local_endpoints(snapshot_of(text), {"shop", "web"}, "node-a");
}

TEST(LocalEndpoints, CountsDistinctReadyAddressesOfThisNode) {
    const auto found =
        local(kLocalService +
              slice("one", "IPv4",
                    "{addresses: [10.1.0.1], nodeName: node-a}, {addresses: [10.1.0.2], nodeName: node-a},"
                    "{addresses: [10.1.0.3], nodeName: node-b}, {addresses: [10.1.0.4]}") +
              slice("two", "IPv4",
                    "{addresses: [10.1.0.2], nodeName: node-a},"
                    "{addresses: [10.1.0.5], nodeName: node-a, conditions: {ready: false}},"
                    "{addresses: [10.1.0.6], nodeName: node-a,"
                    " conditions: {ready: false, serving: true, terminating: true}}") +
              slice("portless", "IPv4", "{addresses: [10.1.0.7], nodeName: node-a}", "[]") +
              slice("six", "IPv6", "{addresses: ['2001:db8::1'], nodeName: node-a}"));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->health_port, 30777);
    EXPECT_EQ(found->ready, (std::map<address_family, std::size_t>{{IPV4, 2}, {IPV6, 1}}));
    EXPECT_EQ(found->ports_without, (std::map<address_family, std::size_t>{{IPV4, 0}, {IPV6, 0}}));
}

TEST(LocalEndpoints, PortsWithoutOneHere) {
    const auto elsewhere = local(kLocalService + slice("one", "IPv4", "{addresses: [10.1.0.3], nodeName: node-b}"));
    ASSERT_TRUE(elsewhere);
    EXPECT_EQ(elsewhere->ready, (std::map<address_family, std::size_t>{{IPV4, 0}}));
    EXPECT_EQ(elsewhere->ports_without, (std::map<address_family, std::size_t>{{IPV4, 2}}));
    // One that terminates and serves takes traffic, and no endpoint at all is another matter.
    const auto serving = local(kLocalService + slice("one", "IPv4",
                                                     "{addresses: [10.1.0.3], nodeName: node-b},"
                                                     "{addresses: [10.1.0.6], nodeName: node-a,"
                                                     " conditions: {ready: false, serving: true, terminating: true}}"));
    EXPECT_EQ(serving->ports_without, (std::map<address_family, std::size_t>{{IPV4, 0}}));
    EXPECT_EQ(local(kLocalService)->ports_without, (std::map<address_family, std::size_t>{{IPV4, 0}}));
}

TEST(LocalEndpoints, OnlyOfServicesWithPolicyLocal) {
    const std::string policy = "  externalTrafficPolicy: Local\n";
    std::string cluster = kLocalService;
    EXPECT_FALSE(local(cluster.replace(cluster.find(policy), policy.size(), "")));
    std::string node_port = kLocalService;
    node_port.replace(node_port.find("LoadBalancer"), 12, "NodePort");
    EXPECT_EQ(local(node_port)->health_port, 0);  // as kube-proxy: load balancers have health checks
    EXPECT_FALSE(local_endpoints(Snapshot(), {"shop", "web"}, "node-a"));
}

// --- PROXY v2

std::string proxy_header(std::size_t length, char command = 0x21) {
    std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
    header += command;
    header += '\x11';
    header += static_cast<char>(length >> 8);
    header += static_cast<char>(length & 0xff);
    return header + std::string(length, 'x');
}

TEST(ProxyHeader, EachBeginningOfOneIsIncomplete) {
    const std::string header = proxy_header(12);
    for (std::size_t size = 0; size < header.size(); size++) {
        EXPECT_EQ(find_proxy_header(header.substr(0, size)).state, State::incomplete) << size;
    }
    const ProxyHeader found = find_proxy_header(header + "GET / HTTP/1.1\r\n");
    EXPECT_EQ(found.state, State::complete);
    EXPECT_EQ(found.size, header.size());
}

TEST(ProxyHeader, LocalCommandAndAppendedFields) {
    EXPECT_EQ(find_proxy_header(proxy_header(0, 0x20)).size, 16U);
    EXPECT_EQ(find_proxy_header(proxy_header(300)).size, 316U);
    EXPECT_EQ(find_proxy_header(proxy_header(kProxyHeaderMax - 16)).size, kProxyHeaderMax);
}

TEST(ProxyHeader, BrokenOrNone) {
    EXPECT_EQ(find_proxy_header(proxy_header(kProxyHeaderMax - 15)).state, State::broken);
    EXPECT_EQ(find_proxy_header(proxy_header(12, 0x11)).state, State::broken);  // version 1
    EXPECT_EQ(find_proxy_header(proxy_header(12, 0x22)).state, State::broken);  // no such command
    EXPECT_EQ(find_proxy_header("G").state, State::none);
    EXPECT_EQ(find_proxy_header("\r\nGET / HTTP/1.1\r\n").state, State::none);
    EXPECT_EQ(find_proxy_header("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").state, State::none);
}

}  // namespace
}  // namespace shunt
