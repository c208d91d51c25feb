// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/object_decoder.h"

#include <map>
#include <utility>

namespace shunt::decode {
namespace {

constexpr std::string_view core = "v1";
constexpr std::string_view discovery = "discovery.k8s.io/v1";
// `kubectl get -o yaml` makes a List of objects; a List of Lists of Lists is somebody's joke.
constexpr int deepest_list = 4;

class DocumentDecoder {
public:
    explicit DocumentDecoder(DecodedFile& into) : into_(into), warnings_(into.warnings) {}

    void decode(const Field& object, const TypeMeta& by_default, int depth) {
        if (object.value().kind() != ValueKind::mapping) {
            return read_.fail(object, "is not a Kubernetes object");
        }
        const TypeMeta type{text_or(object["apiVersion"], by_default.api_version),
                            text_or(object["kind"], by_default.kind)};
        if (type.kind.empty()) {
            return read_.fail_missing(object["kind"]);
        }
        if (type.api_version.empty()) {
            return read_.fail_missing(object["apiVersion"]);
        }
        if (is_list(type)) {
            return decode_list(object, type, depth);
        }
        decode_object(object, type);
    }

    std::optional<ObjectError> error() const {
        return read_.ok() ? std::nullopt : std::optional(ObjectError{*read_.error(), object_});
    }

private:
    std::string text_or(const Field& field, const std::string& by_default) {
        return field.is_absent() ? by_default : read_.text(field);
    }

    // Lists of other kinds have nothing for us inside and are skipped as a whole.
    static bool is_list(const TypeMeta& type) {
        if (type.api_version == core) {
            return type.kind == "List" || type.kind == "ServiceList" || type.kind == "NodeList";
        }
        return type.api_version == discovery && type.kind == "EndpointSliceList";
    }

    void decode_list(const Field& list, const TypeMeta& type, int depth) {
        if (depth >= deepest_list) {
            return read_.fail(list, "lists inside lists inside lists");
        }
        // The items of a typed list carry no type of their own in the API's answers.
        const std::string item_kind = type.kind.substr(0, type.kind.size() - std::string_view("List").size());
        const TypeMeta of_items = item_kind.empty() ? TypeMeta() : TypeMeta{type.api_version, item_kind};
        read_.for_each(list["items"], [&](const Field& item) { decode(item, of_items, depth + 1); });
    }

    void decode_object(const Field& object, const TypeMeta& type) {
        const bool is_core = type.api_version == core;
        if (is_core && type.kind == "Service") {
            const ObjectName name = named(object, type, true);
            add(decode_service(read_, object, name, warnings_));
        } else if (is_core && type.kind == "Node") {
            const ObjectName name = named(object, type, false);
            add(decode_node(read_, object, name));
        } else if (type.kind == "EndpointSlice" && type.api_version == discovery) {
            const ObjectName name = named(object, type, true);
            decode_slice(object, name);
        } else if (type.kind.starts_with("EndpointSlice") && type.api_version == "discovery.k8s.io/v1beta1") {
            read_.fail(object["apiVersion"], type.api_version + " is not read: use " + std::string(discovery));
        } else {
            skip(object, type.kind + " (" + type.api_version + ")");
        }
    }

    void decode_slice(const Field& object, const ObjectName& name) {
        if (object["addressType"].value().kind() == ValueKind::text && object["addressType"].value().text() == "FQDN") {
            return skip(object, "EndpointSlice (addressType FQDN)");
        }
        add(decode_endpoint_slice(read_, object, name, warnings_));
    }

    void add(Object object) {
        if (read_.ok()) {
            into_.objects.push_back(std::move(object));
            object_.clear();
        }
    }

    ObjectName named(const Field& object, const TypeMeta& type, bool is_namespaced) {
        object_ = type.kind;
        const Field metadata = read_.mapping(object, "metadata");
        ObjectName name;
        name.name = type.kind == "Service" ? read_.label(metadata["name"]) : read_.subdomain(metadata["name"]);
        if (is_namespaced) {
            name.name_space = read_.label(metadata["namespace"]);
            if (name.name_space.empty()) {
                name.name_space = "default";
            }
        }
        if (name.name.empty()) {
            read_.fail_missing(metadata["name"]);
            return name;
        }
        object_ += ' ' + to_string(name);
        return name;
    }

    void skip(const Field& object, const std::string& kind) {
        const Value metadata = object.value().find("metadata");
        const auto text_of = [&](std::string_view key) {
            const Value value = metadata.find(key);
            return value.kind() == ValueKind::text ? printable(value.text()) : std::string();
        };
        into_.skipped.push_back({printable(kind), {text_of("namespace"), text_of("name")}});
    }

    DecodedFile& into_;
    Warnings warnings_;
    FieldReader read_;
    std::string object_;  // what is being decoded, for the error
};

}  // namespace

std::optional<ObjectError> decode_document(const Document& document, DecodedFile& into) {
    const Field root(document.root());
    if (root.is_absent()) {
        return std::nullopt;  // nothing but comments between two separators
    }
    DocumentDecoder decoder(into);
    decoder.decode(root, {}, 0);
    return decoder.error();
}

std::optional<ObjectError> decode_object(const Field& object, const TypeMeta& by_default, DecodedFile& into) {
    DocumentDecoder decoder(into);
    decoder.decode(object, by_default, deepest_list);
    return decoder.error();
}

void Warnings::add(const Field& field, std::string_view what) {
    into_.push_back(printable(field.path()) + ": " + std::string(what));
}

std::map<std::string, std::string> decode_labels(FieldReader& read, const Field& object) {
    const Field metadata = object["metadata"];
    std::map<std::string, std::string> labels;
    read.for_each_entry(metadata["labels"],
                        [&](std::string_view key, const Field& value) { labels.emplace(key, read.text(value)); });
    return labels;
}

std::optional<l4_protocol> decode_protocol(FieldReader& read, const Field& port, Warnings& warnings) {
    switch (read.word(port["protocol"], {"TCP", "UDP", "SCTP"})) {
    case 0:
        return TCP;
    case 1:
        return UDP;
    default:
        warnings.add(port, "SCTP is left out");
        return std::nullopt;
    }
}

}  // namespace shunt::decode
