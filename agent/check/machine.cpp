// SPDX-License-Identifier: Apache-2.0
#include "agent/check/machine.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

#include "agent/support/number.h"

namespace shunt {

std::optional<std::string> Machine::text(const std::string& path) const {
    const std::ifstream file(root_ + path);
    if (!file) {
        return std::nullopt;
    }
    std::ostringstream content;
    content << file.rdbuf();
    std::string text = content.str();
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.pop_back();
    }
    return text;
}

std::optional<long> Machine::number(const std::string& path) const {
    const auto content = text(path);
    return content ? parse_number<long>(*content) : std::nullopt;
}

bool Machine::exists(const std::string& path) const { return access((root_ + path).c_str(), F_OK) == 0; }

}  // namespace shunt
