// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/decode.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

namespace shunt {
namespace {

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

std::string contents(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

DecodedFile decoded(Result<DecodedFile> result) {
    EXPECT_TRUE(result) << (result ? "" : result.error().message());
    return result ? *std::move(result) : DecodedFile();
}

// What a broken document says, without "read ".
std::string complaint(const Result<DecodedFile>& result) {
    return result ? "no error" : result.error().object + ": " + result.error().reason;
}

template <typename T>
const T& only(const DecodedFile& file) {
    static const T none;
    EXPECT_EQ(file.objects.size(), 1u);
    const T* const object = file.objects.empty() ? nullptr : std::get_if<T>(&file.objects.front());
    EXPECT_NE(object, nullptr);
    return object ? *object : none;
}

template <typename T>
std::map<std::string, T> by_name(const DecodedFile& file) {
    std::map<std::string, T> objects;
    for (const Object& object : file.objects) {
        if (const T* const of_kind = std::get_if<T>(&object)) {
            objects.emplace(to_string(of_kind->name), *of_kind);
        }
    }
    return objects;
}

const std::string service_head = "apiVersion: v1\nkind: Service\nmetadata: {name: orders, namespace: shop}\n";
const std::string slice_head = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
                               "metadata: {name: orders-1, namespace: shop, labels: {kubernetes.io/service-name: orders}}\n";

Service service(const std::string& rest) { return only<Service>(decoded(decode_yaml("s.yaml", service_head + rest))); }
EndpointSlice slice(const std::string& rest) {
    return only<EndpointSlice>(decoded(decode_yaml("s.yaml", slice_head + rest)));
}
std::string service_complaint(const std::string& rest) { return complaint(decode_yaml("s.yaml", service_head + rest)); }
std::string slice_complaint(const std::string& rest) { return complaint(decode_yaml("s.yaml", slice_head + rest)); }

// --- Service

TEST(DecodeService, EveryFieldThatIsRead) {
    const DecodedFile file = decoded(decode_yaml("services.yaml", R"(apiVersion: v1
kind: Service
metadata:
  name: payments-service
  namespace: shop
  labels: {app: payments, service.kubernetes.io/service-proxy-name: other}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.7
  externalTrafficPolicy: Local
  healthCheckNodePort: 30777
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}
  externalIPs: [198.51.100.7, "2001:db8::7"]
  loadBalancerSourceRanges: [" 203.0.113.7/24 ", anywhere, "2001:db8::/32", 192.0.2.1]
  ports:
  - {name: http, port: 80, nodePort: 32001, targetPort: 8080, protocol: TCP}
  - {name: dns, port: 53, protocol: UDP}
status:
  loadBalancer:
    ingress:
    - {ip: 192.0.2.1}
    - {ip: 192.0.2.2, ipMode: VIP}
    - {ip: 192.0.2.3, ipMode: Proxy}
    - {hostname: lb.example.com}
)"));
    Service expected;
    expected.name = {"shop", "payments-service"};
    expected.labels = {{"app", "payments"}, {"service.kubernetes.io/service-proxy-name", "other"}};
    expected.type = ServiceType::load_balancer;
    expected.cluster_ip = "10.96.0.7";
    expected.ports = {{"http", TCP, 80, 32001}, {"dns", UDP, 53, 0}};
    expected.external_ips = {ip("198.51.100.7"), ip("2001:db8::7")};
    expected.ingress_ips = {ip("192.0.2.1"), ip("192.0.2.2")};
    expected.source_ranges = {*IpPrefix::parse("203.0.113.0/24"), *IpPrefix::parse("2001:db8::/32")};
    expected.unreadable_source_ranges = {"anywhere", "192.0.2.1"};
    expected.external_traffic_policy = TrafficPolicy::local;
    expected.health_check_node_port = 30777;
    expected.affinity_timeout_s = 600;
    EXPECT_EQ(only<Service>(file), expected);
    EXPECT_TRUE(file.skipped.empty());
    EXPECT_TRUE(file.warnings.empty());
}

TEST(DecodeService, Defaults) {
    const Service plain = service("spec: {ports: [{port: 80}]}");
    EXPECT_EQ(plain.type, ServiceType::cluster_ip);
    EXPECT_EQ(plain.cluster_ip, "");
    EXPECT_EQ(plain.external_traffic_policy, TrafficPolicy::cluster);
    EXPECT_EQ(plain.affinity_timeout_s, 0U);
    EXPECT_EQ(plain.ports, (std::vector<ServicePort>{{"", TCP, 80, 0}}));
}

TEST(DecodeService, AffinityLastsThreeHoursUnlessToldOtherwise) {
    EXPECT_EQ(service("spec: {sessionAffinity: ClientIP}").affinity_timeout_s, 10800U);
    EXPECT_EQ(service("spec: {sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: null}}}").affinity_timeout_s,
              10800U);
    EXPECT_EQ(service("spec: {sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86400}}}").affinity_timeout_s,
              86400U);
    EXPECT_EQ(service("spec: {sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}}").affinity_timeout_s, 0U);
    for (const std::string wrong : {"0", "86401", "-1"}) {
        EXPECT_NE(complaint(decode_yaml("s.yaml", service_head + "spec: {sessionAffinity: ClientIP, sessionAffinityConfig: "
                                                                 "{clientIP: {timeoutSeconds: " + wrong + "}}}"))
                      .find("timeoutSeconds: " + wrong + " is not from 1 to 86400 seconds"),
                  std::string::npos);
    }
}

TEST(DecodeService, NullStandsForAbsent) {
    const Service nulls = service("spec: {type: null, ports: null, externalIPs: null, clusterIP: ~, sessionAffinity: }\n"
                                  "status: {loadBalancer: {ingress: null}}");
    EXPECT_EQ(nulls.type, ServiceType::cluster_ip);
    EXPECT_TRUE(nulls.ports.empty());
    EXPECT_EQ(service("spec: {ports: [{port: 80, name: null, nodePort: null, protocol: null}]}\nstatus: null").ports,
              (std::vector<ServicePort>{{"", TCP, 80, 0}}));
}

TEST(DecodeService, NodePortZeroIsNone) { EXPECT_EQ(service("spec: {ports: [{port: 80, nodePort: 0}]}").ports[0].node_port, 0); }

TEST(DecodeService, NamespaceIsDefaultIfNotNamed) {
    const DecodedFile file = decoded(decode_yaml("s.yaml", "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {}}"));
    EXPECT_EQ(only<Service>(file).name, (ObjectName{"default", "a"}));
}

TEST(DecodeService, SctpPortsAreLeftOutWithAWarning) {
    const DecodedFile file = decoded(decode_yaml(
        "s.yaml", service_head + "spec: {ports: [{port: 80, name: a}, {port: 80, name: b, protocol: SCTP}]}"));
    EXPECT_EQ(only<Service>(file).ports, (std::vector<ServicePort>{{"a", TCP, 80, 0}}));
    EXPECT_EQ(file.warnings, std::vector<std::string>{"spec.ports[1]: SCTP is left out"});
}

TEST(DecodeService, OneNumberForTwoProtocols) {
    EXPECT_EQ(service("spec: {ports: [{port: 53, name: a}, {port: 53, name: b, protocol: UDP}]}").ports.size(), 2u);
}

TEST(DecodeService, HeadlessAndExternalNameAreKept) {
    EXPECT_EQ(service("spec: {clusterIP: None}").cluster_ip, "None");
    EXPECT_EQ(service("spec: {type: ExternalName, externalName: example.com}").type, ServiceType::external_name);
}

// --- EndpointSlice

TEST(DecodeSlice, EveryFieldThatIsRead) {
    const EndpointSlice read = slice(R"(addressType: IPv4
endpoints:
- addresses: [10.244.1.11, 10.244.1.12]
  nodeName: node-a
  conditions: {ready: true, serving: true, terminating: false}
- addresses: [10.244.1.13]
  conditions: {ready: null}
  hints: {forZones: [{name: zone-a}, {name: zone-b}], forNodes: [{name: node-a}]}
ports:
- {name: http, port: 8080}
- {port: 53, protocol: UDP}
)");
    EndpointSlice expected;
    expected.name = {"shop", "orders-1"};
    expected.labels = {{"kubernetes.io/service-name", "orders"}};
    expected.service_name = "orders";
    expected.endpoints = {{ip("10.244.1.11"), "node-a", true, true, false}, {ip("10.244.1.13"), "", {}, {}, {}, {"zone-a", "zone-b"}, {"node-a"}}};
    expected.ports = {{"http", TCP, 8080}, {"", UDP, 53}};
    EXPECT_EQ(read, expected);
}

TEST(DecodeSlice, ChangeTriggerTimeAsGiven) {
    const EndpointSlice read = only<EndpointSlice>(decoded(decode_yaml("s.yaml", R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: a
  annotations: {endpoints.kubernetes.io/last-change-trigger-time: "2026-11-23T09:10:00Z", other: x}
addressType: IPv4
)")));
    EXPECT_EQ(read.change_trigger_time, "2026-11-23T09:10:00Z");
    EXPECT_EQ(slice("addressType: IPv4").change_trigger_time, "");
}

TEST(DecodeSlice, PortsWithoutNumberAreIgnored) {
    EXPECT_TRUE(slice("addressType: IPv4\nports: [{name: a}, {name: b, port: null}, {port: 0}]").ports.empty());
}

TEST(DecodeSlice, SctpPortsAreLeftOut) {
    EXPECT_TRUE(slice("addressType: IPv4\nports: [{port: 9, protocol: SCTP}]").ports.empty());
}

TEST(DecodeSlice, NullInsteadOfLists) {
    const EndpointSlice nulls = slice("addressType: IPv6\nendpoints: null\nports: null");
    EXPECT_EQ(nulls.family, IPV6);
    EXPECT_TRUE(nulls.endpoints.empty());
    EXPECT_TRUE(slice("addressType: IPv4\nendpoints: [{addresses: null}, {addresses: []}]").endpoints.empty());
}

TEST(DecodeSlice, AddressOfTheOtherFamilyIsIgnored) {
    const EndpointSlice mixed = slice("addressType: IPv4\nendpoints: [{addresses: ['2001:db8::1']}, {addresses: [10.0.0.1]}]");
    ASSERT_EQ(mixed.endpoints.size(), 1u);
    EXPECT_EQ(mixed.endpoints[0].address, ip("10.0.0.1"));
}

TEST(DecodeSlice, FqdnIsSkipped) {
    const DecodedFile file =
        decoded(decode_yaml("s.yaml", slice_head + "addressType: FQDN\nendpoints: [{addresses: [a.example.com]}]"));
    EXPECT_TRUE(file.objects.empty());
    EXPECT_EQ(file.skipped, (std::vector<SkippedObject>{{"EndpointSlice (addressType FQDN)", {"shop", "orders-1"}}}));
}

TEST(DecodeSlice, WithoutServiceNameItBelongsToNobody) {
    const DecodedFile file = decoded(decode_yaml(
        "s.yaml", "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a}, addressType: IPv4}"));
    EXPECT_EQ(only<EndpointSlice>(file).service_name, "");
}

TEST(DecodeSlice, BetaVersionIsRefusedWithTheNextStep) {
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n")),
              "s.yaml:1:13: apiVersion: discovery.k8s.io/v1beta1 is not read: use discovery.k8s.io/v1");
}

// --- Node

TEST(DecodeNode, InternalIpsInOrderAndNoNamespace) {
    const Node node = only<Node>(decoded(decode_yaml("n.yaml", R"(apiVersion: v1
kind: Node
metadata: {name: node-a.example.com, labels: {topology.kubernetes.io/zone: zone-a}}
status:
  addresses:
  - {type: InternalIP, address: 198.18.0.21}
  - {type: ExternalIP, address: 203.0.113.1}
  - {type: InternalIP, address: "2001:db8::21"}
  - {type: Hostname, address: node-a}
)")));
    EXPECT_EQ(node.name, (ObjectName{"", "node-a.example.com"}));
    EXPECT_EQ(node.internal_ips, (std::vector{ip("198.18.0.21"), ip("2001:db8::21")}));
    EXPECT_EQ(node.zone, "zone-a");
}

TEST(DecodeNode, TaintsAndDeletion) {
    const auto node = [](const std::string& rest) {
        return decode_yaml("n.yaml", "{apiVersion: v1, kind: Node, " + rest + "}");
    };
    const Node going = only<Node>(decoded(node("metadata: {name: a, deletionTimestamp: 2026-11-23T09:10:00Z},"
                                               "spec: {taints: [{key: b, effect: NoSchedule}, {key: a, value: x}]}")));
    EXPECT_TRUE(going.is_being_deleted);
    EXPECT_EQ(going.taints, (std::vector<std::string>{"b", "a"}));
    const Node staying = only<Node>(decoded(node("metadata: {name: a, deletionTimestamp: null}, spec: {taints: null}")));
    EXPECT_FALSE(staying.is_being_deleted);
    EXPECT_TRUE(staying.taints.empty());
    EXPECT_NE(complaint(node("metadata: {name: a}, spec: {taints: [b]}")).find("spec.taints[0]: is not a taint of a Node"),
              std::string::npos);
}

TEST(DecodeNode, WithoutStatus) {
    EXPECT_TRUE(only<Node>(decoded(decode_yaml("n.yaml", "{apiVersion: v1, kind: Node, metadata: {name: a}}"))).internal_ips.empty());
}

// --- documents, lists, kinds

TEST(DecodeDocuments, SeveralInOneFileAndEmptyOnes) {
    const DecodedFile file = decoded(decode_yaml("s.yaml", "---\n# nothing here\n---\n" + service_head + "spec: {}\n---\n" + slice_head +
                                                               "addressType: IPv4\n---\n---\n"));
    EXPECT_EQ(file.objects.size(), 2u);
    EXPECT_TRUE(decoded(decode_yaml("s.yaml", "")).objects.empty());
    EXPECT_TRUE(decoded(decode_yaml("s.yaml", "# only a comment\n")).objects.empty());
    EXPECT_TRUE(decoded(decode_json("s.json", "")).objects.empty());
    EXPECT_TRUE(decoded(decode_json("s.json", " \n ")).objects.empty());
}

TEST(DecodeDocuments, ListOfMixedKinds) {
    const DecodedFile file = decoded(decode_yaml("s.yaml", R"(apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {}}
- {apiVersion: v1, kind: Node, metadata: {name: node-a}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: x}}
- apiVersion: v1
  kind: List
  items: [{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {}}]
)"));
    EXPECT_EQ(file.objects.size(), 3u);
    EXPECT_EQ(file.skipped, (std::vector<SkippedObject>{{"ConfigMap (v1)", {"x", "c"}}}));
}

TEST(DecodeDocuments, ItemsOfTypedListsNeedNoType) {
    EXPECT_EQ(only<Service>(decoded(decode_json("a.json", R"({"apiVersion":"v1","kind":"ServiceList",
        "items":[{"metadata":{"name":"a"},"spec":{}}]})"))).name.name, "a");
    EXPECT_EQ(only<Node>(decoded(decode_json("a.json", R"({"apiVersion":"v1","kind":"NodeList",
        "items":[{"metadata":{"name":"a"}}]})"))).name.name, "a");
    EXPECT_EQ(only<EndpointSlice>(decoded(decode_json("a.json", R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSliceList",
        "items":[{"metadata":{"name":"a"},"addressType":"IPv4"}]})"))).name.name, "a");
    EXPECT_TRUE(decoded(decode_json("a.json", R"({"apiVersion":"v1","kind":"ServiceList","items":null})")).objects.empty());
}

TEST(DecodeDocuments, ItemsOfAPlainListNeedTheirType) {
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "apiVersion: v1\nkind: List\nitems:\n- metadata: {name: a}\n")),
              "s.yaml:4:3: items[0].kind: is missing");
}

TEST(DecodeDocuments, UnknownKindsAreSkippedAndReported) {
    const DecodedFile file = decoded(decode_yaml("s.yaml", R"(
{apiVersion: apps/v1, kind: Deployment, metadata: {name: orders, namespace: shop}, spec: {ports: nonsense}}
---
{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: k}}
---
{apiVersion: v1, kind: PodList, items: [{}]}
---
{apiVersion: v1, kind: Secret, metadata: nothing}
)"));
    EXPECT_TRUE(file.objects.empty());
    EXPECT_EQ(file.skipped, (std::vector<SkippedObject>{{"Deployment (apps/v1)", {"shop", "orders"}},
                                                        {"Service (serving.knative.dev/v1)", {"", "k"}},
                                                        {"PodList (v1)", {}},
                                                        {"Secret (v1)", {}}}));
}

TEST(DecodeDocuments, EndingDecidesTheLanguage) {
    const std::string json = R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}})";
    EXPECT_EQ(decoded(decode_file("a.json", json)).objects.size(), 1u);
    EXPECT_EQ(decoded(decode_file("a.yaml", json)).objects.size(), 1u);
    EXPECT_FALSE(decode_file("a.json", "apiVersion: v1"));
}

TEST(DecodeDocuments, SeveralJsonDocuments) {
    const std::string json = R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}})";
    EXPECT_EQ(decoded(decode_json("a.json", json + "\n" + json + json + " \n")).objects.size(), 3u);
    EXPECT_EQ(complaint(decode_json("a.json", json + "\n" + json + "\n{\"kind\" 5}")), "a.json:3:9: a colon is missing");
}

TEST(DecodeDocuments, ByteOrderMark) {
    const std::string mark = "\xef\xbb\xbf";
    EXPECT_EQ(decoded(decode_json("a.json", mark + R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}})")).objects.size(), 1u);
    EXPECT_EQ(decoded(decode_yaml("a.yaml", mark + "{apiVersion: v1, kind: Node, metadata: {name: a}}")).objects.size(), 1u);
}

// --- what YAML makes of scalars

TEST(YamlScalars, NumbersAsKubectlReadsThem) {
    for (const char* eighty : {"80", "+80", "0120", "0o120", "0x50", "0b1010000", "8_0", "!!int 80", "!!int \"80\""}) {
        EXPECT_EQ(service("spec: {ports: [{port: " + std::string(eighty) + "}]}").ports.at(0).port, 80) << eighty;
    }
}

TEST(YamlScalars, BooleansAsKubectlReadsThem) {
    for (const char* word : {"true", "True", "yes", "on", "y"}) {
        EXPECT_EQ(slice("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: " + std::string(word) + "}}]").endpoints.at(0).ready, true);
    }
    EXPECT_EQ(slice("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: off}}]").endpoints.at(0).ready, false);
}

TEST(YamlScalars, QuotedNumbersAndBooleansAreText) {
    EXPECT_EQ(service_complaint("spec:\n  ports:\n  - port: \"80\"\n"),
              "s.yaml:6:11: spec.ports[0].port: \"80\" is text, not a port: leave the quotes away (Service shop/orders)");
    EXPECT_EQ(slice_complaint("addressType: IPv4\nendpoints:\n- conditions: {ready: \"true\"}\n"),
              "s.yaml:6:23: endpoints[0].conditions.ready: \"true\" is text, not true or false: leave the quotes away "
              "(EndpointSlice shop/orders-1)");
    EXPECT_EQ(service("spec: {ports: [{port: 80, name: \"8080\"}]}").ports[0].name, "8080");
    EXPECT_EQ(service("spec: {ports: [{port: 80, name: !!str 8080}]}").ports[0].name, "8080");
}

TEST(YamlScalars, UnquotedNumbersAndBooleansAreNotText) {
    EXPECT_EQ(service_complaint("spec: {ports: [{port: 80, name: 8080}]}"),
              "s.yaml:4:33: spec.ports[0].name: 8080 is not text here: put it in quotes (Service shop/orders)");
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: yes}")),
              "s.yaml:3:18: metadata.name: yes is not text here: put it in quotes (Node)");
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {version: 1.0}}\nspec: {}")),
              "s.yaml:3:39: metadata.labels.version: 1.0 is not text here: put it in quotes (Service default/a)");
}

TEST(YamlScalars, UnreadFieldsMayBeAnything) {
    EXPECT_EQ(service("spec: {ports: [{port: 80, targetPort: yes, appProtocol: [1]}], selector: 5}").ports.size(), 1u);
}

// --- aliases and merges

TEST(YamlAliases, AreFollowed) {
    const DecodedFile file = decoded(decode_yaml("s.yaml", R"(apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}, spec: &spec {ports: [{port: 80}]}}
- {apiVersion: v1, kind: Service, metadata: {name: b}, spec: *spec}
)"));
    EXPECT_EQ(by_name<Service>(file).at("default/a").ports, by_name<Service>(file).at("default/b").ports);
}

TEST(YamlAliases, MergedKeysCountWhereTheMappingHasNoneOfItsOwn) {
    const Service merged = service("spec:\n  <<: [&one {type: NodePort, clusterIP: 10.0.0.1}, {clusterIP: 10.0.0.2, sessionAffinity: ClientIP}]\n"
                                   "  type: LoadBalancer\n");
    EXPECT_EQ(merged.type, ServiceType::load_balancer);
    EXPECT_EQ(merged.cluster_ip, "10.0.0.1");
    EXPECT_EQ(merged.affinity_timeout_s, 10800U);
}

TEST(YamlAliases, ExplosionIsRefused) {
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 30; ++i) {
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int k = 0; k < 10; ++k) {
            bomb += (k == 0 ? "*a" : ", *a") + std::to_string(i - 1);
        }
        bomb += "]\n";
    }
    EXPECT_NE(complaint(decode_yaml("s.yaml", bomb)).find("aliases make this document too large"), std::string::npos);

    // Quadratic, and through fields that are read: many items share many ports.
    std::string list = "apiVersion: v1\nkind: List\nitems:\n- {kind: X, apiVersion: y, ports: &ports [";
    for (int i = 0; i < 3000; ++i) {
        list += "{port: 1, name: a" + std::to_string(i) + "},";
    }
    list += "]}\n";
    for (int i = 0; i < 3000; ++i) {
        list += "- {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: *ports}}\n";
    }
    EXPECT_NE(complaint(decode_yaml("s.yaml", list)).find("aliases make this document too large"), std::string::npos);
}

TEST(YamlAliases, MergeExplosionIsRefused) {
    std::string bomb = "a0: &a0 {k: v}\n";
    for (int i = 1; i < 4000; ++i) {
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " {<<: *a" + std::to_string(i - 1) + ", k" + std::to_string(i) + ": v}\n";
    }
    EXPECT_NE(complaint(decode_yaml("s.yaml", bomb)).find("aliases make this document too large"), std::string::npos);
}

TEST(YamlAliases, InsideTheirOwnAnchor) {
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "a: &a\n  b: *a\n")), "s.yaml:2:6: an alias inside its own anchor");
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "a: &a\n  <<: *a\n")), "s.yaml:2:7: an alias inside its own anchor");
}

// --- errors

TEST(DecodeErrors, NameFileLineColumnFieldAndObject) {
    EXPECT_EQ(complaint(decode_yaml("manifests/services.yaml", R"(apiVersion: v1
kind: Service
metadata:
  name: orders-service
  namespace: shop
spec:
  type: NodePort
  ports:
  - port: 8080
    targetPort: 8080
    protocol: TCP
    nodePort: 70000
)")), "manifests/services.yaml:12:15: spec.ports[0].nodePort: 70000 is not a port (Service shop/orders-service)");
}

TEST(DecodeErrors, JsonNamesThePlaceToo) {
    EXPECT_EQ(complaint(decode_json("s.json", R"({
  "kind": "List", "apiVersion": "v1",
  "items": [{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n\u0022"}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "orders", "namespace": "shop"},
             "spec": {"ports": [{"port": 80, "name": "a"}, {"port": "abc", "name": "b"}]}}]
})")), "s.json:3:71: items[0].metadata.name: n\" is not a name of at most 253 lower-case letters, digits, '-' and '.' (Node)");
    EXPECT_EQ(complaint(decode_json("s.json", R"({"apiVersion": "v1", "kind": "Service",
 "metadata": {"name": "orders", "namespace": "shop"},
 "spec": {"ports": [{"port": 80, "name": "a"}, {"port": "abc", "name": "b"}]}}
)")), "s.json:3:57: spec.ports[1].port: \"abc\" is text, not a port (Service shop/orders)");
}

TEST(DecodeErrors, EachFieldThatIsRead) {
    const std::pair<const char*, const char*> broken[] = {
        {"spec: {ports: [{port: 70000}]}", "spec.ports[0].port: 70000 is not a port"},
        {"spec: {ports: [{port: -1}]}", "spec.ports[0].port: -1 is not a port"},
        {"spec: {ports: [{port: 0}]}", "spec.ports[0].port: 0 is not a port"},
        {"spec: {ports: [{port: 80.5}]}", "spec.ports[0].port: 80.5 is not a port"},
        {"spec: {ports: [{port: 99999999999999999999}]}", "spec.ports[0].port: 99999999999999999999 is not a port"},
        {"spec: {ports: [{port: abc}]}", "spec.ports[0].port: \"abc\" is text, not a port"},
        {"spec: {ports: [{port: [80]}]}", "spec.ports[0].port: a list is not a port"},
        {"spec: {ports: [{name: a}]}", "spec.ports[0].port: is missing"},
        {"spec: {ports: [80]}", "spec.ports[0]: is not a port of a Service"},
        {"spec: {ports: {port: 80}}", "spec.ports: a mapping is not a list"},
        {"spec: {ports: [{port: 80, protocol: ICMP}]}", "spec.ports[0].protocol: ICMP is not TCP, UDP or SCTP"},
        {"spec: {ports: [{port: 80, protocol: tcp}]}", "spec.ports[0].protocol: tcp is not TCP, UDP or SCTP"},
        {"spec: {ports: [{port: 80}, {port: 81}]}", "spec.ports[1]: a second port without a name"},
        {"spec: {ports: [{port: 80, name: a}, {port: 81, name: a}]}", "spec.ports[1]: a second port named a"},
        {"spec: {ports: [{port: 80, name: a}, {port: 80, name: b}]}", "spec.ports[1]: a second port 80 of this protocol"},
        {"spec: {externalIPs: [192.0.2.300]}", "spec.externalIPs[0]: 192.0.2.300 is not an IP address"},
        {"spec: {externalIPs: [192.0.2.1, null]}", "spec.externalIPs[1]: is not an IP address"},
        {"spec: {externalIPs: 192.0.2.1}", "spec.externalIPs: 192.0.2.1 is not a list"},
        {"spec: {type: nodeport}", "spec.type: nodeport is not ClusterIP, NodePort, LoadBalancer or ExternalName"},
        {"spec: {externalTrafficPolicy: local}", "spec.externalTrafficPolicy: local is not Cluster or Local"},
        {"spec: {sessionAffinity: [ClientIP]}", "spec.sessionAffinity: a list is not text"},
        {"spec: 5", "spec: 5 is not a mapping"},
        {"status: {}", "spec: is missing"},
        {"spec: {}\nstatus: {loadBalancer: {ingress: [{ip: x}]}}", "status.loadBalancer.ingress[0].ip: x is not an IP address"},
        {"spec: {}\nstatus: {loadBalancer: [1]}", "status.loadBalancer: a list is not a mapping"},
    };
    for (const auto& [text, reason] : broken) {
        const Result<DecodedFile> result = decode_yaml("s.yaml", service_head + text);
        ASSERT_FALSE(result) << text;
        EXPECT_EQ(result.error().reason.substr(0, result.error().reason.find(" (Service")), reason);
        EXPECT_EQ(result.error().object.rfind("s.yaml:", 0), 0u) << result.error().object;
    }
}

TEST(DecodeErrors, OfSlices) {
    EXPECT_NE(slice_complaint("endpoints: []").find("addressType: is missing"), std::string::npos);
    EXPECT_NE(slice_complaint("addressType: ipv4").find("addressType: ipv4 is not IPv4 or IPv6"), std::string::npos);
    EXPECT_NE(slice_complaint("addressType: IPv4\nendpoints: [{addresses: [x]}]").find("endpoints[0].addresses[0]: x is not an IP address"), std::string::npos);
    EXPECT_NE(slice_complaint("addressType: IPv4\nports: [{port: 65536}]").find("ports[0].port: 65536 is not a port"), std::string::npos);
    EXPECT_NE(slice_complaint("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], nodeName: A}]").find("endpoints[0].nodeName: A is not a name"), std::string::npos);
}

TEST(DecodeErrors, NamesAreChecked) {
    const auto named = [](const std::string& metadata) {
        return complaint(decode_yaml("s.yaml", "apiVersion: v1\nkind: Service\nspec: {}\nmetadata: " + metadata));
    };
    EXPECT_EQ(named("{name: a}"), "no error");
    EXPECT_EQ(named("{name: " + std::string(63, 'a') + "}"), "no error");
    EXPECT_NE(named("{name: " + std::string(64, 'a') + "}").find("is not a name"), std::string::npos);
    EXPECT_NE(named("{name: a.b}").find("is not a name"), std::string::npos);
    EXPECT_NE(named("{name: Orders}").find("is not a name"), std::string::npos);
    EXPECT_NE(named("{name: \"a\\nb\"}").find("a?b is not a name"), std::string::npos);
    EXPECT_NE(named("{generateName: a}").find("metadata.name: is missing"), std::string::npos);
    EXPECT_NE(named("{name: a, namespace: ../x}").find("metadata.namespace: ../x is not a name"), std::string::npos);
}

TEST(DecodeErrors, Syntax) {
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "just text")), "s.yaml:1:1: is not a Kubernetes object");
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "apiVersion: v1")), "s.yaml:1:1: kind: is missing");
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "kind: Service")), "s.yaml:1:1: apiVersion: is missing");
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "a: 1\nb: 2\na: 3")), "s.yaml:3:1: a second key a");
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "a: [1, 2\n")).rfind("s.yaml:", 0), 0u);
    EXPECT_EQ(complaint(decode_yaml("s.yaml", "a: *unknown\n")).rfind("s.yaml:1:4: ", 0), 0u);
    EXPECT_EQ(complaint(decode_json("s.json", "{\n \"a\": 1,\n}")), "s.json:3:1: a key in quotes is missing");
    EXPECT_EQ(complaint(decode_json("s.json", "{\"a\": [1 2]}")), "s.json:1:10: a comma or ] is missing");
    EXPECT_EQ(complaint(decode_json("s.json", "{\"a\": tru}")), "s.json:1:7: not a JSON value");
    EXPECT_EQ(complaint(decode_json("s.json", "{\"a\": 01}")), "s.json:1:7: a number with a leading zero");
    EXPECT_EQ(complaint(decode_json("s.json", "{\"a\": \"b")), "s.json:1:9: the text ends too early");
    EXPECT_EQ(complaint(decode_json("s.json", "[]")), "s.json:1:1: is not a Kubernetes object");
}

TEST(DecodeErrors, DeepNestingDoesNoHarm) {
    for (const std::size_t depth : {300u, 5000u, 200000u}) {
        EXPECT_FALSE(decode_yaml("s.yaml", std::string(depth, '['))) << depth;
        EXPECT_FALSE(decode_yaml("s.yaml", std::string(depth, '[') + std::string(depth, ']'))) << depth;
    }
    std::string steps;
    for (int i = 0; i < 3000; ++i) {
        steps += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
    }
    EXPECT_FALSE(decode_yaml("s.yaml", steps));
    std::string dashes;
    for (int i = 0; i < 20000; ++i) {
        dashes += "- ";
    }
    EXPECT_FALSE(decode_yaml("s.yaml", dashes));
    for (const std::size_t depth : {1500u, 1000000u}) {
        EXPECT_FALSE(decode_json("s.json", std::string(depth, '['))) << depth;
        EXPECT_FALSE(decode_json("s.json", std::string(depth, '[') + std::string(depth, ']'))) << depth;
    }
    EXPECT_FALSE(decode_yaml("s.yaml", "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, "
                                       "items: [{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List}]}]}]}]"));
}

TEST(DecodeErrors, EveryPrefixOfADocumentIsReadOrRefused) {
    const std::string yaml = service_head + "spec:\n  ports:\n  - {port: 80, nodePort: 32001}\n---\n" + slice_head + "addressType: \"IPv4\"\n";
    const std::string json = R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a\u00e9"},"spec":{"ports":[{"port":80.0e1}]}})";
    for (std::size_t size = 0; size < yaml.size(); ++size) {
        (void)decode_yaml("s.yaml", yaml.substr(0, size));
    }
    for (std::size_t size = 1; size < json.size(); ++size) {
        EXPECT_FALSE(decode_json("s.json", json.substr(0, size))) << size;
    }
}

// --- what a real API server answers

TEST(Recordings, Services) {
    const DecodedFile file = decoded(decode_json("services.json", contents(RECORDINGS "/services-all.json")));
    EXPECT_EQ(file.objects.size(), 50u);
    EXPECT_TRUE(file.skipped.empty());
    const auto services = by_name<Service>(file);

    Service orders;
    orders.name = {"shop", "orders-service"};
    orders.type = ServiceType::node_port;
    orders.cluster_ip = "10.96.156.75";
    orders.ports = {{"", TCP, 8080, 32001}};
    EXPECT_EQ(services.at("shop/orders-service"), orders);

    EXPECT_EQ(services.at("matrix/headless").cluster_ip, "None");
    EXPECT_EQ(services.at("matrix/externalname").type, ServiceType::external_name);
    EXPECT_EQ(services.at("matrix/external-ips-dual").external_ips, (std::vector{ip("203.0.113.52"), ip("2001:db8::52")}));
    EXPECT_EQ(services.at("matrix/lb-status-ip-vip-and-proxy").ingress_ips, std::vector{ip("203.0.113.202")});
    EXPECT_TRUE(services.at("matrix/lb-status-hostname").ingress_ips.empty());
    EXPECT_EQ(services.at("matrix/lb-status-hostname-and-ips-dual").ingress_ips, (std::vector{ip("203.0.113.204"), ip("2001:db8::204")}));
    EXPECT_EQ(services.at("matrix/lb-source-ranges").source_ranges, (std::vector{*IpPrefix::parse("10.0.0.0/8"), *IpPrefix::parse("2001:db8::/32")}));
    EXPECT_EQ(services.at("matrix/lb-etp-local").external_traffic_policy, TrafficPolicy::local);
    EXPECT_EQ(services.at("matrix/lb-etp-local-explicit-hc").health_check_node_port, 30777);
    EXPECT_EQ(services.at("matrix/affinity-clientip").affinity_timeout_s, 600U);
    EXPECT_EQ(services.at("matrix/affinity-clientip-default-timeout").affinity_timeout_s, 10800U);
    EXPECT_TRUE(services.at("matrix/sctp").ports.empty());
    EXPECT_EQ(services.at("matrix/thirty-ports").ports.size(), 30u);
    EXPECT_EQ(services.at("matrix/nodeport-tcp-udp-same-number").ports.size(), 2u);
    EXPECT_EQ(services.at("matrix/other-proxy-empty-value").labels.at("service.kubernetes.io/service-proxy-name"), "");
}

TEST(Recordings, EndpointSlices) {
    const DecodedFile file = decoded(decode_json("slices.json", contents(RECORDINGS "/endpointslices-all.json")));
    EXPECT_EQ(file.objects.size(), 76u);
    EXPECT_EQ(file.skipped, (std::vector<SkippedObject>{{"EndpointSlice (addressType FQDN)", {"matrix", "m-fqdn"}}}));
    const auto slices = by_name<EndpointSlice>(file);

    const EndpointSlice& payments = slices.at("shop/payments-service-945jp");
    EXPECT_EQ(payments.service_name, "payments-service");
    EXPECT_EQ(payments.change_trigger_time, "2026-11-23T09:10:00Z");
    EXPECT_EQ(payments.endpoints,
              (std::vector<Endpoint>{{ip("10.244.0.11"), "ip-10-0-1-11.us-west-2.compute.internal", true, true, false},
                                     {ip("10.244.1.11"), "ip-10-0-1-12.us-west-2.compute.internal", true, true, false},
                                     {ip("10.244.2.11"), "ip-10-0-2-21.us-west-2.compute.internal", true, true, false}}));
    EXPECT_EQ(payments.ports, (std::vector<EndpointPort>{{"", TCP, 8080}}));

    EXPECT_EQ(slices.at("matrix/traffic-prefer-close-g8ggb").endpoints.at(0).zone_hints, std::vector<std::string>{"us-west-2a"});
    EXPECT_TRUE(slices.at("matrix/m-endpoints-null").endpoints.empty());
    EXPECT_EQ(slices.at("matrix/m-hundred-endpoints").endpoints.size(), 100u);
    EXPECT_EQ(slices.at("matrix/m-ipv6").endpoints.at(1).address, ip("2001:db8::40"));
    EXPECT_EQ(slices.at("matrix/m-several-addresses").endpoints.size(), 1u);
    EXPECT_TRUE(slices.at("matrix/m-port-number-absent").ports.empty());
    EXPECT_TRUE(slices.at("matrix/m-ports-omitted").ports.empty());
    EXPECT_EQ(slices.at("matrix/m-port-name-absent").ports.at(0).name, "");
    EXPECT_EQ(slices.at("matrix/m-orphan-no-service-label").service_name, "");
    EXPECT_EQ(slices.at("matrix/m-conditions-absent").endpoints.at(0).ready, std::nullopt);
    EXPECT_EQ(slices.at("matrix/m-serving-terminating").endpoints.at(0).terminating, true);
    EXPECT_EQ(slices.at("matrix/m-no-nodename").endpoints.at(0).node_name, "");
    EXPECT_EQ(slices.at("matrix/m-two-ports").ports, (std::vector<EndpointPort>{{"http", TCP, 8080}, {"http-udp", UDP, 8080}}));
}

TEST(Recordings, Nodes) {
    const DecodedFile file = decoded(decode_json("nodes.json", contents(RECORDINGS "/nodes-all.json")));
    EXPECT_EQ(file.objects.size(), 4u);
    EXPECT_EQ(by_name<Node>(file).at("ip-10-0-1-11.us-west-2.compute.internal").internal_ips,
              (std::vector{ip("10.0.1.11"), ip("2001:db8:1::11")}));
    EXPECT_EQ(by_name<Node>(file).at("ip-10-0-1-11.us-west-2.compute.internal").zone, "us-west-2a");
    EXPECT_EQ(by_name<Node>(file).at("ip-10-0-2-22.us-west-2.compute.internal").taints,
              (std::vector<std::string>{"node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready"}));
}

// JSON is YAML too, and both ways lead to the same objects.
TEST(Recordings, TheSameThroughYaml) {
    for (const char* name : {"services-all", "endpointslices-all", "nodes-all"}) {
        const std::string text = contents(std::string(RECORDINGS "/") + name + ".json");
        const DecodedFile json = decoded(decode_json("a", text)), yaml = decoded(decode_yaml("a", text));
        EXPECT_EQ(json.objects, yaml.objects) << name;
        EXPECT_EQ(json.skipped, yaml.skipped) << name;
        EXPECT_EQ(json.warnings, yaml.warnings) << name;
    }
}

TEST(Examples, Eks) {
    const DecodedFile file = decoded(decode_yaml("shop.yaml", contents(EXAMPLES "/eks/shop.yaml")));
    const auto services = by_name<Service>(file);
    ASSERT_EQ(services.size(), 2u);
    EXPECT_EQ(services.at("shop/orders-service").type, ServiceType::node_port);
    EXPECT_EQ(services.at("shop/orders-service").ports, (std::vector<ServicePort>{{"http", TCP, 8080, 32001}}));
    EXPECT_EQ(services.at("shop/payments-service").type, ServiceType::load_balancer);
    EXPECT_EQ(services.at("shop/payments-service").ports, (std::vector<ServicePort>{{"http", TCP, 8080, 0}}));
    EXPECT_EQ(file.skipped.size(), 4u);  // Namespace, two Deployments, Ingress
}

}  // namespace
}  // namespace shunt
