// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/field.h"

#include <algorithm>

namespace shunt::decode {

std::vector<PathStep> Field::steps() const {
    std::vector<PathStep> steps;
    for (const Field* field = this; field->parent_ != nullptr; field = field->parent_) {
        steps.push_back(field->step_);
    }
    std::ranges::reverse(steps);
    return steps;
}

std::string Field::path() const {
    std::string path;
    for (const PathStep& step : steps()) {
        if (step.is_index) {
            path += '[' + std::to_string(step.index) + ']';
        } else if (step.key.find_first_of("./") != step.key.npos) {
            // metadata.labels["kubernetes.io/service-name"]
            path += "[\"" + std::string(step.key) + "\"]";
        } else {
            path += (path.empty() ? "" : ".") + std::string(step.key);
        }
    }
    return path;
}

Position Field::position() const {
    const Field* field = this;
    while (field->value_.kind() == ValueKind::missing && field->parent_ != nullptr) {
        field = field->parent_;
    }
    return field->value_.position(field->steps());
}

}  // namespace shunt::decode
