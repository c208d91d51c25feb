// SPDX-License-Identifier: Apache-2.0
#include "agent/report/table.h"

#include <algorithm>

namespace shunt {

Table::Table(std::vector<std::string> titles) {
    for (std::string& title : titles) {
        right_.push_back(title.starts_with('>'));
        if (right_.back()) {
            title.erase(0, 1);
        }
    }
    rows_.push_back(std::move(titles));
}

void Table::add(std::vector<std::string> cells) {
    cells.resize(right_.size());
    for (std::size_t i = 0; i + 1 < cells.size(); i++) {
        if (cells[i].empty()) {
            cells[i] = "-";
        }
    }
    rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out) const {
    std::vector<std::size_t> widths(right_.size());
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); i++) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); i++) {
            const std::string padding(widths[i] - row[i].size(), ' ');
            line += (i == 0 ? "" : "  ") + (right_[i] ? padding + row[i] : row[i] + padding);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    }
}

}  // namespace shunt
