// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/json_position.h"

#include <algorithm>

namespace shunt::decode {
namespace {

constexpr int deepest_value = 1024;  // the parser's limit

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// A recursive-descent reader of RFC 8259 that builds nothing. Each function returns false where it stops making
// sense: `at_` stands there and `error_` says why.
class Scanner {
public:
    Scanner(std::string_view text, std::size_t at) : text_(text), at_(at) {}

    std::size_t at() const { return at_; }
    const char* error() const { return error_; }

    bool value(int depth = 0) {
        space();
        switch (peek()) {
        case '{':
            return depth < deepest_value ? object(depth) : fail("nested too deep");
        case '[':
            return depth < deepest_value ? array(depth) : fail("nested too deep");
        case '"':
            return string();
        case 't':
            return literal("true");
        case 'f':
            return literal("false");
        case 'n':
            return literal("null");
        default:
            return number();
        }
    }

    void space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
            ++at_;
        }
    }

    // Stands before the first member or element after this, if there is one.
    bool enter() {
        space();
        ++at_;
        space();
        return peek() != '}' && peek() != ']';
    }
    // Between members or elements; false after the last.
    bool next() {
        space();
        return take(',');
    }
    bool key(std::string_view& key) {
        space();
        const std::size_t begin = at_;
        if (!string()) {
            return false;
        }
        key = text_.substr(begin + 1, at_ - begin - 2);
        space();
        return take(':') || fail("a colon is missing");
    }
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

private:
    bool fail(const char* error) {
        error_ = at_ < text_.size() ? error : "the text ends too early";
        return false;
    }
    bool take(char c) {
        if (peek() != c || at_ >= text_.size()) {
            return false;
        }
        ++at_;
        return true;
    }

    bool object(int depth) {
        if (enter()) {
            do {
                std::string_view ignored;
                space();
                if (peek() != '"') {
                    return fail("a key in quotes is missing");
                }
                if (!key(ignored) || !value(depth + 1)) {
                    return false;
                }
            } while (next());
        }
        return take('}') || fail("a comma or } is missing");
    }

    bool array(int depth) {
        if (enter()) {
            do {
                if (!value(depth + 1)) {
                    return false;
                }
            } while (next());
        }
        return take(']') || fail("a comma or ] is missing");
    }

    bool string() {
        if (!take('"')) {
            return fail("a quote is missing");
        }
        while (at_ < text_.size() && text_[at_] != '"') {
            if (static_cast<unsigned char>(text_[at_]) < 0x20) {
                return fail("a control character inside quotes");
            }
            if (text_[at_] == '\\' && !escape()) {
                return false;
            }
            ++at_;
        }
        return take('"') || fail("");
    }

    bool escape() {
        ++at_;
        if (peek() == 'u') {
            for (int i = 0; i < 4; ++i) {
                ++at_;
                if (!is_hex(peek())) {
                    return fail("not an escape sequence");
                }
            }
            return true;
        }
        return std::string_view("\"\\/bfnrt").contains(peek()) || fail("not an escape sequence");
    }

    bool literal(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) {
            return fail("not a JSON value");
        }
        at_ += word.size();
        return true;
    }

    bool digits() {
        if (!is_digit(peek())) {
            return fail("not a JSON value");
        }
        while (is_digit(peek())) {
            ++at_;
        }
        return true;
    }

    bool number() {
        take('-');
        if (peek() == '0' && is_digit(at_ + 1 < text_.size() ? text_[at_ + 1] : '\0')) {
            return fail("a number with a leading zero");
        }
        if (!digits() || (take('.') && !digits())) {
            return false;
        }
        if (take('e') || take('E')) {
            take('+') || take('-');
            return digits();
        }
        return true;
    }

    std::string_view text_;
    std::size_t at_;
    const char* error_ = nullptr;
};

// From the value that `scanner` stands before to the one a step inside it; false if there is none.
bool step_into(Scanner& scanner, const PathStep& step) {
    scanner.space();
    const char kind = scanner.peek();
    if (kind != (step.is_index ? '[' : '{') || !scanner.enter()) {
        return false;
    }
    for (std::size_t index = 0;; ++index) {
        std::string_view key;
        if (!step.is_index && !scanner.key(key)) {
            return false;
        }
        if (step.is_index ? index == step.index : key == step.key) {
            scanner.space();
            return true;
        }
        if (!scanner.value() || !scanner.next()) {
            return false;
        }
    }
}

}  // namespace

std::size_t json_skip_space(std::string_view text, std::size_t begin) {
    Scanner scanner(text, begin);
    scanner.space();
    return scanner.at();
}

JsonExtent json_extent(std::string_view text, std::size_t begin) {
    Scanner scanner(text, begin);
    const bool is_value = scanner.value();
    return {scanner.at(), is_value ? nullptr : scanner.error()};
}

std::size_t json_locate(std::string_view text, std::size_t begin, std::span<const PathStep> path) {
    std::size_t found = json_skip_space(text, begin);
    Scanner scanner(text, found);
    for (const PathStep& step : path) {
        if (!step_into(scanner, step)) {
            return found;
        }
        found = scanner.at();
    }
    return found;
}

Position position_at(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, std::min(offset, text.size()));
    const std::size_t line_break = before.rfind('\n');
    return {.line = static_cast<std::size_t>(std::ranges::count(before, '\n')) + 1,
            .column = before.size() - (line_break == before.npos ? 0 : line_break + 1) + 1};
}

}  // namespace shunt::decode
