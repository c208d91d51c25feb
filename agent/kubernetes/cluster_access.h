// SPDX-License-Identifier: Apache-2.0
// How to reach an API server, and as whom. From a kubeconfig, from a pod's service account, or from a URL alone.
#pragma once

#include <string>

#include "agent/support/result.h"

namespace shunt {

// A file's path, or its content. Files are read again when they are needed, so that a rotated one counts.
struct Pem {
    std::string path;
    std::string data;
    bool empty() const { return path.empty() && data.empty(); }
};

struct ClusterAccess {
    std::string server;           // https://192.0.2.1:6443, perhaps with a path; no slash at its end
    Pem ca;                       // empty: the machine's own certificate authorities
    bool verify = true;           // false: whoever answers is believed
    std::string tls_server_name;  // the name in the server's certificate; empty: the server's host
    std::string proxy_url;        // empty: as $HTTPS_PROXY and $NO_PROXY say
    Pem client_certificate;
    Pem client_key;
    std::string token;
    std::string token_file;       // wins over `token`
    std::string from;             // for messages: "/etc/kubeconfig", "the pod's service account"
};

// Where a pod finds its service account.
inline constexpr const char* kServiceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

// The current context of the file. Relative paths in it are relative to its folder. What shunt does not do (exec and
// auth-provider plugins, passwords, impersonation) is an error that says what to do instead.
Result<ClusterAccess> load_kubeconfig(const std::string& path);

// The server is the one in $KUBERNETES_SERVICE_HOST and $KUBERNETES_SERVICE_PORT; empty if they are not set.
Result<ClusterAccess> service_account_access(const std::string& directory = kServiceAccountDirectory);

struct ApiOptions {
    std::string kubeconfig;  // a file; empty: the pod's service account
    std::string api_server;  // a URL that replaces the server of either; empty: theirs
};

// With a server that is an http:// or https:// URL.
Result<ClusterAccess> find_cluster_access(const ApiOptions& options,
                                          const std::string& service_account = kServiceAccountDirectory);

// The bearer token to send with the next request; empty: none. Read anew from its file each time.
Result<std::string> bearer_token(const ClusterAccess& access);

}  // namespace shunt
