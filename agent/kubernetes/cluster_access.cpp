// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/cluster_access.h"

#include <cstdlib>
#include <string_view>

#include "agent/source/read_file.h"

namespace shunt {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

bool is_url(std::string_view text) {
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (text.starts_with(scheme) && text.size() > scheme.size()) {
            return text.find_first_of(" \t\r\n?#") == text.npos;
        }
    }
    return false;
}

}  // namespace

Result<ClusterAccess> service_account_access(const std::string& directory) {
    ClusterAccess access{.server = {},
                         .ca = {.path = directory + "/ca.crt", .data = {}},
                         .token_file = directory + "/token",
                         .from = "the pod's service account"};
    if (auto token = bearer_token(access); !token) {
        return std::unexpected(token.error());
    }
    std::string host = environment("KUBERNETES_SERVICE_HOST");
    const std::string port = environment("KUBERNETES_SERVICE_PORT");
    if (!host.empty() && !port.empty()) {
        host = host.find(':') == host.npos ? host : '[' + host + ']';
        access.server = "https://" + host + ':' + port;
    }
    return access;
}

Result<ClusterAccess> find_cluster_access(const ApiOptions& options, const std::string& service_account) {
    ClusterAccess access;
    if (!options.kubeconfig.empty()) {
        auto loaded = load_kubeconfig(options.kubeconfig);
        if (!loaded) {
            return loaded;
        }
        access = std::move(*loaded);
    } else if (const auto token = read_file(service_account + "/token"); !token || *token) {
        auto found = service_account_access(service_account);
        if (!found) {
            return found;
        }
        access = std::move(*found);
    } else {
        access.from = "--api-server";
    }
    if (!options.api_server.empty()) {
        access.server = options.api_server;
    }
    while (access.server.ends_with('/')) {
        access.server.pop_back();
    }
    if (access.server.empty()) {
        return failure("find", "the API server",
                       "no kubeconfig, and this is no pod with a service account: give --kubeconfig FILE, "
                       "--api-server URL or --manifests DIR");
    }
    if (!is_url(access.server)) {
        return failure("use", "the API server " + access.server, "it is a URL like https://192.0.2.1:6443");
    }
    return access;
}

Result<std::string> bearer_token(const ClusterAccess& access) {
    if (access.token_file.empty()) {
        return access.token;
    }
    auto text = read_file(access.token_file);
    if (!text) {
        return std::unexpected(text.error());
    }
    if (!*text) {
        return failure("read", access.token_file, "there is no such file; the API server's token is in it");
    }
    const std::string_view blank = " \t\r\n";
    const std::size_t begin = (*text)->find_first_not_of(blank);
    if (begin == std::string::npos) {
        return failure("read", access.token_file, "is empty; the API server's token belongs there");
    }
    const std::string token = (*text)->substr(begin, (*text)->find_last_not_of(blank) - begin + 1);
    if (token.find_first_of("\r\n") != token.npos) {
        return failure("read", access.token_file, "is no token: it has several lines");
    }
    return token;
}

}  // namespace shunt
