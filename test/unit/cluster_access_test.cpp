// SPDX-License-Identifier: Apache-2.0
// Kubeconfigs, service accounts, and what is said where they are of no use; the small parts beside them.
#include "agent/kubernetes/cluster_access.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/kubernetes/backoff.h"
#include "agent/kubernetes/base64.h"
#include "agent/kubernetes/line_splitter.h"
#include "agent/kubernetes/resource.h"

namespace shunt {
namespace {

class ClusterAccessTest : public testing::Test {
protected:
    ClusterAccessTest() : folder_(std::filesystem::temp_directory_path() / ("shunt-test-access-" + std::to_string(getpid()))) {
        std::filesystem::create_directory(folder_);
        unsetenv("KUBERNETES_SERVICE_HOST");
        unsetenv("KUBERNETES_SERVICE_PORT");
    }
    ~ClusterAccessTest() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder_ / name) << text;
        return folder_ / name;
    }
    std::string kubeconfig(const std::string& cluster, const std::string& user) {
        return write("config", "apiVersion: v1\nkind: Config\ncurrent-context: two\n"
                               "contexts:\n- name: one\n  context: {cluster: none, user: none}\n"
                               "- name: two\n  context:\n    cluster: c\n    user: u\n"
                               "clusters:\n- name: c\n  cluster: " + cluster + "\nusers:\n- name: u\n  user: " + user + "\n");
    }
    std::string refused(const std::string& path) {
        const auto access = load_kubeconfig(path);
        EXPECT_FALSE(access);
        return access ? "" : access.error().message();
    }

    std::filesystem::path folder_;
};

TEST_F(ClusterAccessTest, FilesAreRelativeToTheKubeconfig) {
    const auto access = load_kubeconfig(kubeconfig(
        "{server: 'https://192.0.2.1:6443', certificate-authority: pki/ca.crt, tls-server-name: kubernetes, proxy-url: 'http://192.0.2.9:3128'}",
        "{client-certificate: /pki/me.crt, client-key: me.key, token: t, tokenFile: token}"));
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_EQ(access->server, "https://192.0.2.1:6443");
    EXPECT_EQ(access->ca.path, folder_ / "pki/ca.crt");
    EXPECT_EQ(access->tls_server_name, "kubernetes");
    EXPECT_EQ(access->proxy_url, "http://192.0.2.9:3128");
    EXPECT_EQ(access->client_certificate.path, "/pki/me.crt");
    EXPECT_EQ(access->client_key.path, folder_ / "me.key");
    EXPECT_EQ(access->token_file, folder_ / "token");
    EXPECT_TRUE(access->verify);
}

TEST_F(ClusterAccessTest, DataIsBase64OfPem) {
    // "-----BEGIN X-----\n"
    const auto access = load_kubeconfig(kubeconfig("{server: 'https://h', certificate-authority-data: LS0tLS1CRUdJTiBYLS0tLS0K}", "{token: t}"));
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_EQ(access->ca.data, "-----BEGIN X-----\n");
    EXPECT_EQ(bearer_token(*access).value(), "t");
    EXPECT_NE(refused(kubeconfig("{server: 'https://h', certificate-authority-data: '?'}", "{}")).find("is not the base64 of a PEM file"),
              std::string::npos);
}

TEST_F(ClusterAccessTest, WhatIsNotDoneSaysWhatToDo) {
    const std::string cluster = "{server: 'https://h'}";
    const std::string exec = refused(kubeconfig(cluster, "{exec: {command: aws}}"));
    EXPECT_NE(exec.find("users[0].user.exec: user 'u' gets its credentials from a plugin, which shunt does not run: give it a token"),
              std::string::npos) << exec;
    EXPECT_NE(exec.find("config:16:"), std::string::npos) << exec;
    EXPECT_TRUE(load_kubeconfig(kubeconfig(cluster, "{exec: {command: aws}, token: t}")));
    EXPECT_NE(refused(kubeconfig(cluster, "{auth-provider: {name: gcp}}")).find("plugin"), std::string::npos);
    EXPECT_NE(refused(kubeconfig(cluster, "{username: a, password: b}")).find("no passwords"), std::string::npos);
    EXPECT_NE(refused(kubeconfig(cluster, "{token: t, as: admin}")).find("impersonate"), std::string::npos);
    EXPECT_NE(refused(kubeconfig(cluster, "{client-certificate: a}")).find("one is missing"), std::string::npos);
    EXPECT_NE(refused(kubeconfig("{server: 'https://h', insecure-skip-tls-verify: true, certificate-authority: a}", "{}")).find("contradicts"),
              std::string::npos);
    EXPECT_FALSE(load_kubeconfig(kubeconfig("{server: 'https://h', insecure-skip-tls-verify: true}", "{}"))->verify);
    EXPECT_NE(refused(kubeconfig("{}", "{}")).find("server: is missing"), std::string::npos);
}

TEST_F(ClusterAccessTest, BrokenKubeconfigs) {
    EXPECT_EQ(refused(folder_ / "nothing"), "read " + (folder_ / "nothing").string() + ": there is no such file");
    EXPECT_NE(refused(write("config", "a: [b\n")).find("config:"), std::string::npos);
    EXPECT_NE(refused(write("config", "")).find("is no kubeconfig"), std::string::npos);
    EXPECT_NE(refused(write("config", "kind: Config\n")).find("kubectl config use-context NAME"), std::string::npos);
    EXPECT_NE(refused(write("config", "current-context: x\n")).find("there is no context named 'x'"), std::string::npos);
}

TEST_F(ClusterAccessTest, ServiceAccount) {
    EXPECT_NE(find_cluster_access({}, folder_).error().message().find("give --kubeconfig FILE, --api-server URL or --manifests DIR"),
              std::string::npos);
    write("token", " abc\n");
    setenv("KUBERNETES_SERVICE_HOST", "2001:db8::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    const auto access = find_cluster_access({}, folder_);
    ASSERT_TRUE(access) << access.error().message();
    EXPECT_EQ(access->server, "https://[2001:db8::1]:443");
    EXPECT_EQ(access->ca.path, folder_ / "ca.crt");
    EXPECT_EQ(bearer_token(*access).value(), "abc");
    write("token", "def\n");
    EXPECT_EQ(bearer_token(*access).value(), "def");
    EXPECT_EQ(find_cluster_access({.kubeconfig = {}, .api_server = "https://192.0.2.7:6443/"}, folder_)->server, "https://192.0.2.7:6443");
    write("token", "\n");
    EXPECT_NE(bearer_token(*access).error().message().find("is empty"), std::string::npos);
    std::filesystem::remove(folder_ / "token");
    EXPECT_NE(bearer_token(*access).error().message().find("no such file"), std::string::npos);
}

TEST_F(ClusterAccessTest, AUrlAlone) {
    EXPECT_EQ(find_cluster_access({.kubeconfig = {}, .api_server = "http://127.0.0.1:8001"}, folder_)->server, "http://127.0.0.1:8001");
    for (const char* wrong : {"192.0.2.1:6443", "https://", "ftp://h", "https://h/?x"}) {
        EXPECT_FALSE(find_cluster_access({.kubeconfig = {}, .api_server = wrong}, folder_)) << wrong;
    }
}

TEST(Base64, Rfc4648) {
    for (const auto& [encoded, bytes] : {std::pair{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"},
                                         {"Zm9vYmE=", "fooba"}, {"Zm9v\nYmFy\n", "foobar"}}) {
        EXPECT_EQ(decode_base64(encoded), bytes) << encoded;
    }
    for (const char* wrong : {"Z", "Zg", "Zg=", "Zg=a", "Zg===", "Z===", "Zm9v!", "====="}) {
        EXPECT_EQ(decode_base64(wrong), std::nullopt) << wrong;
    }
}

TEST(LineSplitter, PiecesOfAnySize) {
    const std::string text = "one\n\ntwo\nthree";
    for (std::size_t size = 1; size <= text.size(); size++) {
        LineSplitter lines;
        std::vector<std::string> found;
        for (std::size_t i = 0; i < text.size(); i += size) {
            EXPECT_TRUE(lines.feed(std::string_view(text).substr(i, size), [&](std::string_view line) {
                found.emplace_back(line);
                return true;
            }));
        }
        EXPECT_EQ(found, (std::vector<std::string>{"one", "two"})) << size;
    }
    LineSplitter small(4);
    EXPECT_FALSE(small.feed("12345", [](std::string_view) { return true; }));
}

TEST(Backoff, DoublesToItsLimitWithJitter) {
    Backoff backoff(std::chrono::milliseconds(100), std::chrono::milliseconds(1000), 1);
    for (const long base : {100, 200, 400, 800, 1000, 1000}) {
        const auto delay = backoff.next().count();
        EXPECT_GE(delay, base / 2);
        EXPECT_LE(delay, base * 3 / 2);
    }
    backoff.reset();
    EXPECT_LE(backoff.next().count(), 150);
    std::set<long> different;
    for (int i = 0; i < 20; i++) {
        backoff.reset();
        different.insert(backoff.next().count());
    }
    EXPECT_GT(different.size(), 5U);
}

TEST(Resource, TargetsAsKubeProxyAsks) {
    EXPECT_EQ(services().list_target(500, "", "0"),
              "/api/v1/services?fieldSelector=spec.clusterIP%21%3DNone&labelSelector=%21service.kubernetes.io%2Fheadless%2C"
              "%21service.kubernetes.io%2Fservice-proxy-name&limit=500&resourceVersion=0");
    EXPECT_EQ(endpoint_slices().list_target(0, "a=/", ""),
              "/apis/discovery.k8s.io/v1/endpointslices?labelSelector=%21service.kubernetes.io%2Fheadless%2C"
              "%21service.kubernetes.io%2Fservice-proxy-name&continue=a%3D%2F");
    EXPECT_EQ(node("node a").watch_target("7", 300),
              "/api/v1/nodes?fieldSelector=metadata.name%3Dnode%20a&watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300");
}

}  // namespace
}  // namespace shunt
