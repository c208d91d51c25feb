// SPDX-License-Identifier: Apache-2.0
// YAML -> Document, scalars read as kubectl reads them (YAML 1.1, the subset that JSON can express).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/decode/document.h"

namespace shunt::decode {

struct SyntaxError {
    Position position;
    std::string reason;
};

// Nodes in one array, built from the parser's events. An alias shares the node of its anchor, so a document that
// is small on disk is small in memory; how often it may be visited through aliases is bounded by the builder.
class YamlDocument final : public Document {
public:
    struct Node {
        ValueKind kind = ValueKind::null;
        Position position;
        std::string text;             // any scalar as written
        std::int64_t number = 0;      // integer, or boolean as 0 and 1
        std::vector<std::uint32_t> children;  // of a mapping: key, value, key, value
    };

    explicit YamlDocument(std::vector<Node> nodes) : nodes_(std::move(nodes)) {}

    Value root() const override;  // missing for an empty document
    ValueKind kind(Handle value) const override { return node(value).kind; }
    std::string_view text(Handle text) const override { return node(text).text; }
    bool boolean(Handle boolean) const override { return node(boolean).number != 0; }
    std::int64_t integer(Handle integer) const override { return node(integer).number; }
    std::string written(Handle scalar) const override { return node(scalar).text; }
    Value find(Handle mapping, std::string_view key) const override;
    void for_each_element(Handle sequence, const ElementVisitor& visit) const override;
    void for_each_entry(Handle mapping, const EntryVisitor& visit) const override;
    Position position(Handle value, std::span<const PathStep>) const override { return node(value).position; }

private:
    const Node& node(Handle handle) const { return nodes_[handle[0]]; }
    Value value(std::uint32_t index) const { return {*this, {index, 0}}; }

    std::vector<Node> nodes_;  // the root is the first
};

// Calls visit(document) for each document of the text, until one returns false.
std::optional<SyntaxError> for_each_yaml_document(const std::string& text,
                                                  const std::function<bool(const Document&)>& visit);

// Sets kind and number of a plain (unquoted) scalar from its text.
void resolve_plain_scalar(YamlDocument::Node& node);

}  // namespace shunt::decode
