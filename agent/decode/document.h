// SPDX-License-Identifier: Apache-2.0
// A read-only view of one YAML or JSON document: what the object decoder sees of it. Values are small handles
// into the document and live as long as it does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace shunt::decode {

// Counted from 1; line 0: unknown.
struct Position {
    std::size_t line = 0;
    std::size_t column = 0;
    auto operator<=>(const Position&) const = default;
};

// One step from a document's root to a value: into a mapping by key, into a sequence by index.
struct PathStep {
    std::string_view key;
    std::size_t index = 0;
    bool is_index = false;
};

enum class ValueKind {
    missing,  // the mapping has no such key
    null,
    boolean,
    integer,
    real,
    text,
    sequence,
    mapping,
};

class Value;

class Document {
public:
    // Whatever the implementation needs to find a value again.
    using Handle = std::array<std::uint64_t, 2>;
    using ElementVisitor = std::function<void(std::size_t index, Value element)>;
    using EntryVisitor = std::function<void(std::string_view key, Value value)>;

    Document() = default;
    Document(const Document&) = delete;
    Document& operator=(const Document&) = delete;
    virtual ~Document() = default;

    virtual Value root() const = 0;
    virtual ValueKind kind(Handle value) const = 0;
    virtual std::string_view text(Handle text) const = 0;
    virtual bool boolean(Handle boolean) const = 0;
    virtual std::int64_t integer(Handle integer) const = 0;  // the nearest that fits
    virtual std::string written(Handle scalar) const = 0;    // any scalar as text, for messages
    virtual Value find(Handle mapping, std::string_view key) const = 0;
    virtual void for_each_element(Handle sequence, const ElementVisitor& visit) const = 0;
    virtual void for_each_entry(Handle mapping, const EntryVisitor& visit) const = 0;

    // Where the value stands. `path` leads to it from the root. Asked only for messages: may be slow.
    virtual Position position(Handle value, std::span<const PathStep> path) const = 0;
};

class Value {
public:
    Value() = default;  // missing
    Value(const Document& document, Document::Handle handle) : document_(&document), handle_(handle) {}

    ValueKind kind() const { return document_ ? document_->kind(handle_) : ValueKind::missing; }
    bool is_absent() const { return kind() == ValueKind::missing || kind() == ValueKind::null; }

    // Each of these asks for a value of its kind.
    std::string_view text() const { return document_->text(handle_); }
    bool boolean() const { return document_->boolean(handle_); }
    std::int64_t integer() const { return document_->integer(handle_); }
    std::string written() const { return document_->written(handle_); }

    // Missing if this is no mapping.
    Value find(std::string_view key) const {
        return kind() == ValueKind::mapping ? document_->find(handle_, key) : Value();
    }
    template <typename Visit>
    void for_each_element(Visit&& visit) const {
        document_->for_each_element(handle_, std::ref(visit));
    }
    template <typename Visit>
    void for_each_entry(Visit&& visit) const {
        document_->for_each_entry(handle_, std::ref(visit));
    }
    Position position(std::span<const PathStep> path) const {
        return document_ ? document_->position(handle_, path) : Position();
    }

private:
    const Document* document_ = nullptr;
    Document::Handle handle_{};
};

}  // namespace shunt::decode
