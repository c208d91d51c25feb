// SPDX-License-Identifier: Apache-2.0
// Columns for people and for awk: a header line, two spaces between columns, no trailing spaces. An empty cell is "-".
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace shunt {

class Table {
public:
    // A title that begins with '>' makes a column of figures, aligned to the right.
    explicit Table(std::vector<std::string> titles);
    void add(std::vector<std::string> cells);  // as many as there are titles; the last may be missing or empty
    bool empty() const { return rows_.size() == 1; }
    void print(std::ostream& out) const;

private:
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;  // the first holds the titles
};

}  // namespace shunt
