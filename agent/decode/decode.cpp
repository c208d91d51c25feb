// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/decode.h"

#include <exception>
#include <optional>
#include <utility>

#include "agent/decode/json_document.h"
#include "agent/decode/object_decoder.h"
#include "agent/decode/yaml_document.h"

namespace shunt {
namespace {

std::unexpected<Error> failure_at(std::string_view path, const decode::Position& position, std::string reason) {
    std::string object(path);
    if (position.line != 0) {
        object += ':' + std::to_string(position.line) + ':' + std::to_string(position.column);
    }
    return failure("read", std::move(object), std::move(reason));
}

std::string describe(const decode::ObjectError& error) {
    std::string text = error.field.path.empty() ? error.field.reason : error.field.path + ": " + error.field.reason;
    if (!error.object.empty()) {
        text += " (" + error.object + ')';
    }
    return text;
}

// `for_each_document(visit)` is one of the two parsers.
template <typename ForEachDocument>
Result<DecodedFile> decode_documents(std::string_view path, ForEachDocument&& for_each_document) try {
    DecodedFile file;
    std::optional<decode::ObjectError> object_error;
    const std::optional<decode::SyntaxError> syntax_error =
        for_each_document([&](const decode::Document& document) {
            object_error = decode::decode_document(document, file);
            return !object_error;
        });
    if (object_error) {
        return failure_at(path, object_error->field.position, describe(*object_error));
    }
    if (syntax_error) {
        return failure_at(path, syntax_error->position, decode::printable(syntax_error->reason));
    }
    return file;
} catch (const std::exception& error) {
    return failure_at(path, {}, error.what());  // out of memory, in the end
}

}  // namespace

Result<DecodedFile> decode_yaml(std::string_view path, const std::string& text) {
    return decode_documents(path, [&](const auto& visit) { return decode::for_each_yaml_document(text, visit); });
}

Result<DecodedFile> decode_json(std::string_view path, std::string text) {
    return decode_documents(
        path, [&](const auto& visit) { return decode::for_each_json_document(std::move(text), visit); });
}

Result<DecodedFile> decode_file(std::string_view path, std::string text) {
    return path.ends_with(".json") ? decode_json(path, std::move(text)) : decode_yaml(path, text);
}

std::string to_string(const ObjectName& name) {
    return name.name_space.empty() ? name.name : name.name_space + '/' + name.name;
}

}  // namespace shunt
