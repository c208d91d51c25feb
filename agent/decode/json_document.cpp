// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/json_document.h"

#include <simdjson.h>

#include <bit>
#include <exception>
#include <type_traits>

#include "agent/decode/json_position.h"

namespace shunt::decode {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// A handle is an element: a pointer to the tape and a place on it.
static_assert(sizeof(element) == sizeof(Document::Handle) && std::is_trivially_copyable_v<element>);

element element_of(Document::Handle handle) { return std::bit_cast<element>(handle); }

class JsonDocument final : public Document {
public:
    // `text` from `begin` on is what `root` was parsed from.
    JsonDocument(element root, std::string_view text, std::size_t begin, JsonPositions positions)
        : root_(root), text_(text), begin_(begin), positions_(positions) {}

    Value root() const override { return value(root_); }

    ValueKind kind(Handle handle) const override {
        switch (element_of(handle).type()) {
        case element_type::ARRAY:
            return ValueKind::sequence;
        case element_type::OBJECT:
            return ValueKind::mapping;
        case element_type::INT64:
        case element_type::UINT64:
            return ValueKind::integer;
        case element_type::DOUBLE:
            return ValueKind::real;
        case element_type::STRING:
            return ValueKind::text;
        case element_type::BOOL:
            return ValueKind::boolean;
        case element_type::NULL_VALUE:
            break;
        }
        return ValueKind::null;
    }

    std::string_view text(Handle handle) const override { return get<std::string_view>(handle); }
    bool boolean(Handle handle) const override { return get<bool>(handle); }
    std::int64_t integer(Handle handle) const override {
        return element_of(handle).is_int64() ? get<std::int64_t>(handle) : INT64_MAX;
    }
    std::string written(Handle handle) const override { return simdjson::minify(element_of(handle)); }

    Value find(Handle mapping, std::string_view key) const override {
        element found;
        return get<simdjson::dom::object>(mapping).at_key(key).get(found) ? Value() : value(found);
    }

    void for_each_element(Handle sequence, const ElementVisitor& visit) const override {
        std::size_t index = 0;
        for (const element each : get<simdjson::dom::array>(sequence)) {
            visit(index++, value(each));
        }
    }

    void for_each_entry(Handle mapping, const EntryVisitor& visit) const override {
        for (const simdjson::dom::key_value_pair entry : get<simdjson::dom::object>(mapping)) {
            visit(entry.key, value(entry.value));
        }
    }

    Position position(Handle, std::span<const PathStep> path) const override {
        return positions_ == JsonPositions::told ? position_at(text_, json_locate(text_, begin_, path)) : Position();
    }

private:
    template <typename T>
    static T get(Handle handle) {
        return element_of(handle).get<T>().value_unsafe();  // the caller asked for the kind
    }
    Value value(element of) const { return {*this, std::bit_cast<Handle>(of)}; }

    element root_;
    std::string_view text_;
    std::size_t begin_;
    JsonPositions positions_;
};

class Reader {
public:
    Reader(std::string& text, const std::function<bool(const Document&)>& visit, JsonPositions positions)
        : text_(text), visit_(visit), positions_(positions) {
        // The parser reads past the end, within these bytes.
        text_.reserve(text_.size() + simdjson::SIMDJSON_PADDING);
    }

    std::optional<SyntaxError> read() {
        std::size_t begin = text_.starts_with("\xef\xbb\xbf") ? 3 : 0;
        element root;
        if (parser_.parse(text_.data() + begin, text_.size() - begin, false).get(root) == simdjson::SUCCESS) {
            visit_(JsonDocument(root, text_, begin, positions_));
            return std::nullopt;
        }
        return read_one_by_one(begin);
    }

private:
    std::optional<SyntaxError> read_one_by_one(std::size_t begin) {
        for (begin = json_skip_space(text_, begin); begin < text_.size(); begin = json_skip_space(text_, begin)) {
            const JsonExtent extent = json_extent(text_, begin);
            if (extent.error != nullptr) {
                return SyntaxError{position_at(text_, extent.end), extent.error};
            }
            element root;
            if (const auto error = parser_.parse(text_.data() + begin, extent.end - begin, false).get(root)) {
                return SyntaxError{position_at(text_, begin), simdjson::error_message(error)};
            }
            if (!visit_(JsonDocument(root, text_, begin, positions_))) {
                break;
            }
            begin = extent.end;
        }
        return std::nullopt;
    }

    std::string& text_;
    const std::function<bool(const Document&)>& visit_;
    JsonPositions positions_;
    simdjson::dom::parser parser_;
};

}  // namespace

std::optional<SyntaxError> for_each_json_document(std::string text, const std::function<bool(const Document&)>& visit,
                                                  JsonPositions positions) {
    try {
        return Reader(text, visit, positions).read();
    } catch (const std::exception& error) {
        return SyntaxError{{}, error.what()};
    }
}

}  // namespace shunt::decode
