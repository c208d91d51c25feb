// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/field_reader.h"

#include <algorithm>

namespace shunt::decode {
namespace {

std::string describe(const Value& value) {
    switch (value.kind()) {
    case ValueKind::missing:
    case ValueKind::null:
        return "nothing";
    case ValueKind::sequence:
        return "a list";
    case ValueKind::mapping:
        return "a mapping";
    case ValueKind::text:
        return printable(value.text());
    default:
        return printable(value.written());
    }
}

// Somebody put quotes around what was meant as a value of this kind.
bool looks_like(ValueKind kind, std::string_view text) {
    return kind == ValueKind::boolean ? text == "true" || text == "false"
                                      : !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string printable(std::string_view text) {
    constexpr std::size_t longest = 80;
    std::string line;
    for (const char c : text.substr(0, longest)) {
        line += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    }
    return text.size() > longest ? line + "..." : line;
}

void FieldReader::fail(const Field& field, std::string reason) {
    if (!error_) {
        error_ = FieldError{field.position(), printable(field.path()), std::move(reason)};
    }
}

bool FieldReader::is_of_kind(const Field& field, ValueKind kind, const char* what) {
    if (!ok() || field.is_absent()) {
        return false;
    }
    if (field.value().kind() == kind) {
        return true;
    }
    const std::string found = describe(field.value());
    switch (field.value().kind()) {
    case ValueKind::text:
        if (kind == ValueKind::boolean || kind == ValueKind::integer) {
            fail(field, '"' + found + "\" is text, not " + what + (looks_like(kind, found) ? ": leave the quotes away" : ""));
            return false;
        }
        break;
    case ValueKind::boolean:
    case ValueKind::integer:
    case ValueKind::real:
        if (kind == ValueKind::text) {
            fail(field, found + " is not text here: put it in quotes");
            return false;
        }
        break;
    default:
        break;
    }
    fail(field, found + " is not " + what);
    return false;
}

std::string FieldReader::text(const Field& field) {
    return is_of_kind(field, ValueKind::text, "text") ? std::string(field.value().text()) : std::string();
}

std::optional<bool> FieldReader::boolean(const Field& field) {
    return is_of_kind(field, ValueKind::boolean, "true or false") ? std::optional(field.value().boolean())
                                                                   : std::nullopt;
}

std::optional<std::int64_t> FieldReader::integer(const Field& field, const char* what) {
    return is_of_kind(field, ValueKind::integer, what) ? std::optional(field.value().integer()) : std::nullopt;
}

std::uint16_t FieldReader::port(const Field& field) {
    const std::int64_t port = integer(field, "a port").value_or(0);
    if (port < 0 || port > 65535) {
        fail(field, printable(field.value().written()) + " is not a port");
        return 0;
    }
    return static_cast<std::uint16_t>(port);
}

std::optional<IpAddress> FieldReader::address(const Field& field) {
    const std::string written = text(field);
    if (written.empty()) {
        return std::nullopt;
    }
    const std::optional<IpAddress> address = IpAddress::parse(written);
    if (!address) {
        fail(field, printable(written) + " is not an IP address");
    }
    return address;
}

std::size_t FieldReader::word(const Field& field, std::initializer_list<std::string_view> words) {
    const std::string written = text(field);
    if (written.empty()) {
        return 0;
    }
    const auto found = std::ranges::find(words, written);
    if (found != words.end()) {
        return static_cast<std::size_t>(found - words.begin());
    }
    std::string choice;
    for (const std::string_view word : words) {
        choice += (choice.empty() ? "" : word == words.end()[-1] ? " or " : ", ") + std::string(word);
    }
    fail(field, printable(written) + " is not " + choice);
    return 0;
}

std::string FieldReader::name(const Field& field, std::size_t longest, std::string_view extra, const char* what) {
    std::string name = text(field);
    if (name.empty()) {
        return name;
    }
    const bool allowed = name.size() <= longest && is_lower_or_digit(name.front()) && is_lower_or_digit(name.back()) &&
                         std::ranges::all_of(name, [&](char c) { return is_lower_or_digit(c) || extra.contains(c); });
    if (!allowed) {
        fail(field, printable(name) + " is not " + what);
        return {};
    }
    return name;
}

std::string FieldReader::label(const Field& field) {
    return name(field, 63, "-", "a name of at most 63 lower-case letters, digits and '-'");
}

std::string FieldReader::subdomain(const Field& field) {
    return name(field, 253, "-.", "a name of at most 253 lower-case letters, digits, '-' and '.'");
}

Field FieldReader::mapping(const Field& parent, std::string_view key) {
    Field field = parent[key];
    is_of_kind(field, ValueKind::mapping, "a mapping");
    return field;
}

}  // namespace shunt::decode
