// SPDX-License-Identifier: Apache-2.0
// Reads typed values out of fields and keeps the first error, so that decoding an object reads as a list of its
// fields: after an error every further read yields its default, and the caller asks for the error once.
//
// Types are as strict as the API server's: the text "8080" is no port, the number 8080 no name. Null stands for
// an absent field everywhere, as Go's encoder writes null for empty arrays.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/decode/field.h"
#include "agent/model/ip_address.h"

namespace shunt::decode {

struct FieldError {
    Position position;
    std::string path;    // empty: the document itself
    std::string reason;
};

class FieldReader {
public:
    bool ok() const { return !error_; }
    const std::optional<FieldError>& error() const { return error_; }
    void fail(const Field& field, std::string reason);
    void fail_missing(const Field& field) { fail(field, "is missing"); }

    std::string text(const Field& field);                // "" if absent
    std::optional<bool> boolean(const Field& field);
    std::uint16_t port(const Field& field);              // 0 if absent or 0
    std::optional<std::int64_t> integer(const Field& field, const char* what);  // nothing if absent or an error
    std::optional<IpAddress> address(const Field& field);  // nothing if absent, empty or an error

    // One of `words`, as its index; 0 if absent or empty.
    std::size_t word(const Field& field, std::initializer_list<std::string_view> words);

    // A name as Kubernetes allows it: a DNS label (at most 63) or subdomain (at most 253). "" if absent.
    std::string label(const Field& field);
    std::string subdomain(const Field& field);

    // The field itself, which must be a mapping or absent.
    Field mapping(const Field& parent, std::string_view key);

    // visit(Field) for each element of a sequence, none if absent; stops at the first error.
    template <typename Visit>
    void for_each(const Field& sequence, Visit&& visit) {
        if (is_of_kind(sequence, ValueKind::sequence, "a list")) {
            sequence.value().for_each_element([&](std::size_t index, Value element) {
                if (ok()) {
                    visit(sequence.element(index, element));
                }
            });
        }
    }

    // visit(key, Field) for each entry of a mapping, none if absent; stops at the first error.
    template <typename Visit>
    void for_each_entry(const Field& mapping, Visit&& visit) {
        if (is_of_kind(mapping, ValueKind::mapping, "a mapping")) {
            mapping.value().for_each_entry([&](std::string_view key, Value value) {
                if (ok()) {
                    visit(key, mapping.entry(key, value));
                }
            });
        }
    }

private:
    // False, without an error, if the field is absent.
    bool is_of_kind(const Field& field, ValueKind kind, const char* what);
    std::string name(const Field& field, std::size_t longest, std::string_view extra, const char* what);

    std::optional<FieldError> error_;
};

// A scalar as it may stand in a message: one line, not too long.
std::string printable(std::string_view text);

}  // namespace shunt::decode
