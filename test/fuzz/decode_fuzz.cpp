// SPDX-License-Identifier: Apache-2.0
// Broken documents by the thousand: valid ones, mutated at random. Whatever comes out, the decoder answers with objects
// or with an error that names the file; under the sanitizers it also must not touch what it should not.
//
// SHUNT_FUZZ_SEED and SHUNT_FUZZ_ROUNDS repeat or prolong a run; a failure prints both and the document.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <vector>

#include "agent/decode/decode.h"

namespace shunt {
namespace {

constexpr std::uint64_t default_seed = 20240817;

std::uint64_t from_environment(const char* name, std::uint64_t by_default) {
    const char* const value = std::getenv(name);
    return value ? std::strtoull(value, nullptr, 10) : by_default;
}

const std::string yaml_seed = R"(apiVersion: v1
kind: Service
metadata: {name: orders, namespace: shop, labels: {a: b}}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.7
  externalIPs: [198.51.100.7, "2001:db8::7"]
  ports:
  - name: http
    port: 8080
    nodePort: 32001
  - {name: dns, port: 0x35, protocol: UDP}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: VIP}]}}
---
apiVersion: v1
kind: List
items:
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: orders-1, labels: {kubernetes.io/service-name: orders}}
  addressType: &four IPv4
  note: [*four, {<<: &one {a: b}}]
  endpoints:
  - addresses: [10.244.1.11]
    conditions: {ready: yes, serving: true}
    nodeName: 'node-a'
  ports: [{name: http, port: 8080}]
- {apiVersion: v1, kind: Service, metadata: {name: b}, spec: {<<: *one, type: NodePort}}
- apiVersion: v1
  kind: Node
  metadata: {name: "node\u002da"}
  status:
    addresses:
    - {type: InternalIP, address: 198.18.0.21}
  note: |
    some text
)";

const std::string json_seed = R"({"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"v1","kind":"Service","metadata":{"name":"orders","namespace":"shop","labels":{"a":"b"}},
 "spec":{"type":"NodePort","clusterIP":"10.96.0.7","externalIPs":["198.51.100.7"],"sessionAffinity":"None",
 "ports":[{"name":"http","protocol":"TCP","port":8080,"nodePort":32001}]},"status":{"loadBalancer":{}}},
{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"s","labels":null},"addressType":"IPv6",
 "endpoints":[{"addresses":["2001:db8::1"],"conditions":{"ready":true},"nodeName":"n\u0061"}],"ports":[{"name":"","port":1500,"x":1.5e3}]},
{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}}]}
{"apiVersion":"v1","kind":"Node","metadata":{"name":"m"}})";

class Mutator {
public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    std::string mutate(std::string text, const std::vector<std::string>& pieces) {
        const std::size_t times = 1 + below(2);
        for (std::size_t i = 0; i < times && !text.empty(); ++i) {
            below(2) == 0 ? mutate_bytes(text) : mutate_structure(text, pieces);
        }
        return text;
    }

    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }

private:
    void mutate_bytes(std::string& text) {
        const std::size_t at = below(text.size());
        switch (below(5)) {
        case 0:
            text[at] = static_cast<char>(below(256));
            break;
        case 1:
            text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
            break;
        case 2:
            text.erase(at, 1 + below(8));
            break;
        case 3:
            text.resize(at);
            break;
        default:
            text.insert(at, 1, "{}[]\"':,-\n\t&*#|>!?%@`\\ ~<0"[below(27)]);
        }
    }

    // Tokens and lines, which get further than bytes: the text stays well-formed more often.
    void mutate_structure(std::string& text, const std::vector<std::string>& pieces) {
        const std::size_t at = token_start(text, below(text.size()));
        const std::size_t end = std::min(text.find_first_of(" ,:{}[]\"\n", at), text.size());
        const std::size_t line = text.rfind('\n', at) == text.npos ? 0 : text.rfind('\n', at) + 1;
        const std::size_t line_end = std::min(text.find('\n', at), text.size());
        switch (below(5)) {
        case 0:
            text.replace(at, end - at, pieces[below(pieces.size())]);
            break;
        case 1:
            text.insert(line, text.substr(line, line_end - line) + '\n');
            break;
        case 2:
            text.erase(line, line_end - line + 1);
            break;
        case 3:
            text.insert(line, std::string(below(4), ' '));
            break;
        default:
            text.insert(at, text.substr(below(text.size()), below(64)));
        }
    }

    static std::size_t token_start(const std::string& text, std::size_t at) {
        const std::size_t before = text.find_last_of(" ,:{}[]\"\n", at);
        return before == text.npos ? 0 : std::min(before + 1, text.size());
    }

    std::mt19937_64 random_;
};

void fuzz(const std::string& path, const std::string& valid, const std::vector<std::string>& pieces, std::uint64_t rounds) {
    const std::uint64_t seed = from_environment("SHUNT_FUZZ_SEED", default_seed);
    rounds = from_environment("SHUNT_FUZZ_ROUNDS", rounds);
    std::cout << "SHUNT_FUZZ_SEED=" << seed << " SHUNT_FUZZ_ROUNDS=" << rounds << std::endl;
    ASSERT_TRUE(decode_file(path, valid)) << decode_file(path, valid).error().message();

    Mutator mutator(seed);
    std::uint64_t refused = 0;
    std::chrono::steady_clock::duration longest{};
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::string text = mutator.mutate(valid, pieces);
        const auto begin = std::chrono::steady_clock::now();
        const Result<DecodedFile> result = decode_file(path, text);
        longest = std::max(longest, std::chrono::steady_clock::now() - begin);
        if (result) {
            continue;
        }
        ++refused;
        const Error& error = result.error();
        ASSERT_EQ(error.operation, "read") << text;
        ASSERT_TRUE(error.object.starts_with(path)) << "round " << round << ": " << error.message() << '\n' << text;
        ASSERT_FALSE(error.reason.empty()) << "round " << round << '\n' << text;
        ASSERT_EQ(error.message().find('\n'), std::string::npos) << "round " << round << '\n' << text;
        // A place, always: path:line:column.
        ASSERT_GE(std::ranges::count(error.object, ':'), 2) << "round " << round << ": " << error.message() << '\n' << text;
    }
    std::cout << refused << " of " << rounds << " refused, the slowest took "
              << std::chrono::duration_cast<std::chrono::milliseconds>(longest).count() << " ms\n";
    EXPECT_GT(refused, rounds / 10) << "hardly anything is refused: are the mutations any good?";
    EXPECT_LT(refused, rounds) << "everything is refused: are the mutations too wild?";
    EXPECT_LT(longest, std::chrono::seconds(5));
}

const std::vector<std::string> yaml_pieces = {"*one", "*four", "&one", "<<", "null", "~", "[]", "{}", "yes", "0x7fffffffffffffff", "-1", "65536",
                                              "\"80\"", "!!int", "!!str", "---", "...", "- ", "? ", ": ", "|", ">", "[[[[", "{a: {a: {a: ",
                                              "List", "Service", "v1", ".inf", "2001:db8::1", "%YAML 1.1", "kubernetes.io/service-name"};
const std::vector<std::string> json_pieces = {"null", "true", "[]", "{}", "1e999", "-0", "18446744073709551616", "-9223372036854775809",
                                              "65536", "\"\\ud800\"", "\"\\u0000\"", "[[[[", "{\"a\":{\"a\":", "List", "Service", "v1", "{\"kind\":",
                                              "\xff\xfe", "2001:db8::1", "nodePort"};

TEST(DecodeFuzz, Yaml) { fuzz("fuzz.yaml", yaml_seed, yaml_pieces, 5000); }
TEST(DecodeFuzz, Json) { fuzz("fuzz.json", json_seed, json_pieces, 20000); }
TEST(DecodeFuzz, JsonTextAsYaml) {
    fuzz("fuzz.yaml", json_seed.substr(0, json_seed.rfind('\n')), json_pieces, 3000);
}
TEST(DecodeFuzz, RecordedNodes) {
    std::ifstream file(RECORDINGS "/nodes-all.json");
    std::ostringstream text;
    text << file.rdbuf();
    fuzz("fuzz.json", text.str(), json_pieces, 2000);
}

}  // namespace
}  // namespace shunt
