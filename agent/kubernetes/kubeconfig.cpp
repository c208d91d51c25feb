// SPDX-License-Identifier: Apache-2.0
// load_kubeconfig(): client-go's format (v1 Config), as far as it makes sense on a node.
#include <optional>
#include <utility>

#include "agent/decode/decode.h"
#include "agent/decode/field_reader.h"
#include "agent/decode/yaml_document.h"
#include "agent/kubernetes/base64.h"
#include "agent/kubernetes/cluster_access.h"
#include "agent/source/read_file.h"

namespace shunt {
namespace {

using decode::Field;
using decode::FieldReader;

class KubeconfigReader {
public:
    explicit KubeconfigReader(const std::string& path)
        : folder_(path.substr(0, path.find_last_of('/') == path.npos ? 0 : path.find_last_of('/') + 1)) {
        access_.from = path;
    }

    void read(const Field& root) {
        const Field current = root["current-context"];
        const std::string context = read_.text(current);
        if (context.empty()) {
            return read_.fail(current, "is missing: kubectl config use-context NAME sets it");
        }
        std::string cluster;
        std::string user;
        pick(root["contexts"], "context", context, [&](const Field& found) {
            cluster = read_.text(found["cluster"]);
            user = read_.text(found["user"]);
        });
        pick(root["clusters"], "cluster", cluster, [&](const Field& found) { take_cluster(found); });
        if (!user.empty()) {
            pick(root["users"], "user", user, [&](const Field& found) { take_user(found, user); });
        }
    }

    const FieldReader& reader() const { return read_; }
    ClusterAccess access() && { return std::move(access_); }

private:
    // take(what is in it) for the entry of the list that has this name; each entry is {name: NAME, KIND: {…}}.
    template <typename Take>
    void pick(const Field& list, std::string_view kind, const std::string& name, Take&& take) {
        bool is_there = false;
        read_.for_each(list, [&](const Field& entry) {
            if (!is_there && read_.text(entry["name"]) == name) {
                is_there = true;
                take(read_.mapping(entry, kind));
            }
        });
        if (!is_there) {
            read_.fail(list, "there is no " + std::string(kind) + " named '" + name + "'");
        }
    }

    void take_cluster(const Field& cluster) {
        access_.server = read_.text(cluster["server"]);
        access_.ca = pem(cluster, "certificate-authority", "certificate-authority-data");
        access_.verify = !read_.boolean(cluster["insecure-skip-tls-verify"]).value_or(false);
        access_.tls_server_name = read_.text(cluster["tls-server-name"]);
        access_.proxy_url = read_.text(cluster["proxy-url"]);
        if (access_.server.empty()) {
            read_.fail_missing(cluster["server"]);
        }
        if (!access_.verify && !access_.ca.empty()) {
            read_.fail(cluster["insecure-skip-tls-verify"], "contradicts the certificate-authority beside it");
        }
    }

    void take_user(const Field& user, const std::string& name) {
        access_.client_certificate = pem(user, "client-certificate", "client-certificate-data");
        access_.client_key = pem(user, "client-key", "client-key-data");
        access_.token = read_.text(user["token"]);
        access_.token_file = in_folder(read_.text(user["tokenFile"]));
        if (access_.client_certificate.empty() != access_.client_key.empty()) {
            read_.fail(user, "a client certificate and its key belong together, and one is missing");
        }
        const bool has_credentials = !access_.client_certificate.empty() || !access_.token.empty() || !access_.token_file.empty();
        for (const char* plugin : {"exec", "auth-provider"}) {
            if (!has_credentials && !user[plugin].is_absent()) {
                read_.fail(user[plugin], "user '" + name + "' gets its credentials from a plugin, which shunt does not run: give "
                                         "it a token, a tokenFile or a client certificate; a pod needs no kubeconfig at all, "
                                         "it has its service account");
            }
        }
        if (!has_credentials && !user["username"].is_absent()) {
            read_.fail(user["username"], "API servers accept no passwords since 1.19: give a token or a client certificate");
        }
        if (!user["as"].is_absent()) {
            read_.fail(user["as"], "shunt does not impersonate: give it credentials of its own");
        }
    }

    Pem pem(const Field& parent, std::string_view path_key, std::string_view data_key) {
        const Field data_field = parent[data_key];
        const std::string encoded = read_.text(data_field);
        if (encoded.empty()) {
            return {.path = in_folder(read_.text(parent[path_key])), .data = {}};
        }
        std::optional<std::string> data = decode_base64(encoded);
        if (!data || data->find("-----BEGIN") == std::string::npos) {
            read_.fail(data_field, "is not the base64 of a PEM file");
            return {};
        }
        return {.path = {}, .data = std::move(*data)};
    }

    std::string in_folder(const std::string& path) const {
        return path.empty() || path.starts_with('/') ? path : folder_ + path;
    }

    std::string folder_;  // with a slash at its end; empty: here
    FieldReader read_;
    ClusterAccess access_;
};

}  // namespace

Result<ClusterAccess> load_kubeconfig(const std::string& path) {
    const auto text = read_file(path);
    if (!text) {
        return std::unexpected(text.error());
    }
    if (!*text) {
        return failure("read", path, "there is no such file");
    }
    KubeconfigReader reader(path);
    bool is_there = false;
    const auto syntax_error = decode::for_each_yaml_document(**text, [&](const decode::Document& document) {
        if (document.root().kind() == decode::ValueKind::mapping) {
            is_there = true;
            reader.read(Field(document.root()));
        }
        return !is_there;
    });
    const auto place = [&](const decode::Position& position) {
        return position.line == 0 ? path
                                  : path + ':' + std::to_string(position.line) + ':' + std::to_string(position.column);
    };
    if (syntax_error) {
        return failure("read", place(syntax_error->position), decode::printable(syntax_error->reason));
    }
    if (const auto& error = reader.reader().error()) {
        return failure("read", place(error->position), error->path + ": " + error->reason);
    }
    if (!is_there) {
        return failure("read", path, "is no kubeconfig");
    }
    return std::move(reader).access();
}

}  // namespace shunt
