// SPDX-License-Identifier: Apache-2.0
#include "agent/report/json_text.h"

#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <string>

namespace shunt {
namespace {

void print(std::ostream& out, const boost::json::value& value, std::size_t indent) {
    const std::string inner(indent + 2, ' ');
    const std::string outer(indent, ' ');
    const char* separator = "\n";
    if (value.is_object() && !value.get_object().empty()) {
        out << '{';
        for (const auto& member : value.get_object()) {
            out << separator << inner << boost::json::serialize(member.key()) << ": ";
            print(out, member.value(), indent + 2);
            separator = ",\n";
        }
        out << '\n' << outer << '}';
    } else if (value.is_array() && !value.get_array().empty()) {
        out << '[';
        for (const auto& element : value.get_array()) {
            out << separator << inner;
            print(out, element, indent + 2);
            separator = ",\n";
        }
        out << '\n' << outer << ']';
    } else if (value.is_double() && std::isfinite(value.get_double())) {
        char text[32];  // the shortest that reads back the same: 39.85, where the library writes 3.985E1
        const auto [end, error] = std::to_chars(text, text + sizeof(text), value.get_double());
        out << std::string_view(text, error == std::errc() ? static_cast<std::size_t>(end - text) : 0);
    } else {
        out << boost::json::serialize(value);
    }
}

}  // namespace

void print_json(std::ostream& out, const boost::json::value& value) {
    print(out, value, 0);
    out << '\n';
}

}  // namespace shunt
