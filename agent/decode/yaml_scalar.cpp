// SPDX-License-Identifier: Apache-2.0
// Which plain scalars are booleans and numbers. kubectl's YAML library follows YAML 1.1 here: `yes`, `on` and `y`
// are true, 0777 is octal, digits may be grouped by underscores.
#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "agent/decode/yaml_document.h"

namespace shunt::decode {
namespace {

using namespace std::string_view_literals;

constexpr std::array true_words = {"y"sv, "Y"sv, "yes"sv, "Yes"sv, "YES"sv, "true"sv,
                                   "True"sv, "TRUE"sv, "on"sv, "On"sv, "ON"sv};
constexpr std::array false_words = {"n"sv, "N"sv, "no"sv, "No"sv, "NO"sv, "false"sv,
                                    "False"sv, "FALSE"sv, "off"sv, "Off"sv, "OFF"sv};
constexpr std::array real_words = {".nan"sv, ".NaN"sv, ".NAN"sv, ".inf"sv, ".Inf"sv, ".INF"sv};

bool is_integer(std::string_view digits, std::int64_t& number) {
    const bool is_negative = digits.starts_with('-');
    if (is_negative || digits.starts_with('+')) {
        digits.remove_prefix(1);
    }
    int base = 10;
    if (digits.starts_with("0x")) {
        base = 16;
    } else if (digits.starts_with("0b")) {
        base = 2;
    } else if (digits.starts_with("0o")) {
        base = 8;
    } else if (digits.size() > 1 && digits.starts_with('0')) {
        base = 8;
        digits.remove_prefix(1);
    }
    if (base != 10 && !digits.empty() && !(digits.front() >= '0' && digits.front() <= '9')) {
        return false;
    }
    if (base == 16 || base == 2 || digits.starts_with("0o")) {
        digits.remove_prefix(2);
    }
    std::uint64_t magnitude = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
    if (error != std::errc() || end != digits.data() + digits.size() || magnitude > INT64_MAX) {
        return false;
    }
    number = is_negative ? -static_cast<std::int64_t>(magnitude) : static_cast<std::int64_t>(magnitude);
    return true;
}

bool is_real(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) {
        text.remove_prefix(1);
    }
    if (std::ranges::find(real_words, text) != real_words.end()) {
        return true;
    }
    // from_chars alone would take `infinity` and `nan`.
    if (text.empty() || text.find_first_not_of("0123456789.eE+-") != text.npos) {
        return false;
    }
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error != std::errc::invalid_argument && end == text.data() + text.size();
}

}  // namespace

void resolve_plain_scalar(YamlDocument::Node& node) {
    const std::string& text = node.text;
    node.kind = ValueKind::text;
    if (text.empty()) {
        return;
    }
    if (const bool is_true = std::ranges::find(true_words, text) != true_words.end();
        is_true || std::ranges::find(false_words, text) != false_words.end()) {
        node.kind = ValueKind::boolean;
        node.number = is_true;
        return;
    }
    if ("+-.0123456789"sv.find(text.front()) == std::string_view::npos) {
        return;
    }
    std::string digits = text;
    std::erase(digits, '_');
    if (is_integer(digits, node.number)) {
        node.kind = ValueKind::integer;
    } else if (is_real(digits)) {
        node.kind = ValueKind::real;
    }
}

}  // namespace shunt::decode
