// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/api_answer.h"

#include <exception>
#include <utility>

#include "agent/decode/json_document.h"
#include "agent/decode/object_decoder.h"

namespace shunt {
namespace {

using decode::Field;
using decode::Value;
using decode::ValueKind;

decode::TypeMeta type_of(std::string_view kind) {
    return {kind == "EndpointSlice" ? "discovery.k8s.io/v1" : "v1", std::string(kind)};
}

bool is_of_kind(const Object& object, std::string_view kind) {
    return kind == (std::holds_alternative<Service>(object)         ? "Service"
                    : std::holds_alternative<EndpointSlice>(object) ? "EndpointSlice"
                                                                    : "Node");
}

// What is not text is taken for absent: a malformed object must not hide which one it is.
std::string text_of(const Value& mapping, std::string_view key) {
    const Value value = mapping.find(key);
    return value.kind() == ValueKind::text ? std::string(value.text()) : std::string();
}

ObjectName name_of(const Value& object) {
    const Value metadata = object.find("metadata");
    return {text_of(metadata, "namespace"), text_of(metadata, "name")};
}

ApiStatus status_of(const Value& object) {
    ApiStatus status{.code = 0, .reason = text_of(object, "reason"), .message = text_of(object, "message")};
    const Value code = object.find("code");
    if (code.kind() == ValueKind::integer && code.integer() >= 100 && code.integer() <= 599) {
        status.code = static_cast<int>(code.integer());
    }
    return status;
}

Error as_error(const decode::ObjectError& error, std::string_view kind, const ObjectName& name) {
    return {"read", std::string(kind) + ' ' + decode::printable(to_string(name)),
            error.field.path.empty() ? error.field.reason : error.field.path + ": " + error.field.reason};
}

// Calls read(root) for the one document that `text` is; what read returns is the error.
template <typename Read>
std::optional<Error> read_document(const std::string& what, std::string text, Read&& read) try {
    std::optional<Error> error;
    bool is_there = false;
    const auto syntax_error = decode::for_each_json_document(
        std::move(text),
        [&](const decode::Document& document) {
            is_there = true;
            error = read(Field(document.root()));
            return false;
        },
        decode::JsonPositions::left_out);
    if (syntax_error) {
        return Error{"read", what, decode::printable(syntax_error->reason)};
    }
    return is_there ? error : Error{"read", what, "is empty"};
} catch (const std::exception& error) {
    return Error{"read", what, error.what()};  // out of memory, in the end
}

void take_item(const Field& item, const decode::TypeMeta& type, ApiList& list) {
    DecodedFile one;
    if (const auto error = decode::decode_object(item, type, one)) {
        ObjectName name = name_of(item.value());
        Error as = as_error(*error, type.kind, name);
        list.undecoded.push_back({std::move(name), std::move(as)});
        return;
    }
    for (Object& object : one.objects) {
        if (is_of_kind(object, type.kind)) {
            list.objects.push_back(std::move(object));
        }
    }
}

std::optional<Error> take_event(const Field& root, std::string_view kind, ApiEvent& event) {
    const std::string type = text_of(root.value(), "type");
    const Field object = root["object"];
    if (type.empty() || object.value().kind() != ValueKind::mapping) {
        return Error{"read", "an event", "it has no type or no object"};
    }
    if (type == "ERROR") {
        event.type = ApiEvent::Type::error;
        event.status = status_of(object.value());
        return std::nullopt;
    }
    event.resource_version = text_of(object.value().find("metadata"), "resourceVersion");
    if (type == "DELETED") {
        event.type = ApiEvent::Type::removed;
        event.name = name_of(object.value());
        return std::nullopt;
    }
    if (type != "ADDED" && type != "MODIFIED") {
        const Value annotations = object.value().find("metadata").find("annotations");
        event.ends_initial_events = type == "BOOKMARK" && text_of(annotations, "k8s.io/initial-events-end") == "true";
        return std::nullopt;
    }
    event.type = ApiEvent::Type::put;
    event.name = name_of(object.value());
    ApiList one;
    take_item(object, type_of(kind), one);
    if (!one.undecoded.empty()) {
        event.undecoded = std::move(one.undecoded.front().error);
    } else if (!one.objects.empty()) {
        event.object = std::move(one.objects.front());
    }
    return std::nullopt;
}

}  // namespace

Result<ApiList> decode_api_list(std::string_view kind, std::string text) {
    const std::string what = "a list of " + std::string(kind) + 's';
    ApiList list;
    const auto error = read_document(what, std::move(text), [&](const Field& root) -> std::optional<Error> {
        const std::string found = text_of(root.value(), "kind");
        if (found != std::string(kind) + "List") {
            return Error{"read", what, found.empty() ? "it is none" : "it is a " + decode::printable(found)};
        }
        const Value metadata = root.value().find("metadata");
        list.resource_version = text_of(metadata, "resourceVersion");
        list.continue_token = text_of(metadata, "continue");
        const Field items = root["items"];
        if (!items.is_absent() && items.value().kind() != ValueKind::sequence) {
            return Error{"read", what, "its items are no list"};
        }
        const decode::TypeMeta type = type_of(kind);
        decode::FieldReader read;
        read.for_each(items, [&](const Field& item) { take_item(item, type, list); });
        return std::nullopt;
    });
    if (error) {
        return std::unexpected(*error);
    }
    return list;
}

Result<ApiEvent> decode_api_event(std::string_view kind, std::string text) {
    ApiEvent event;
    if (auto error = read_document("an event", std::move(text),
                                   [&](const Field& root) { return take_event(root, kind, event); })) {
        return std::unexpected(*error);
    }
    return event;
}

std::optional<ApiStatus> decode_api_status(std::string text) {
    std::optional<ApiStatus> status;
    read_document("a Status", std::move(text), [&](const Field& root) -> std::optional<Error> {
        if (!root.value().find("message").is_absent() || !root.value().find("code").is_absent()) {
            status = status_of(root.value());
        }
        return std::nullopt;
    });
    return status;
}

}  // namespace shunt
