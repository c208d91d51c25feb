// SPDX-License-Identifier: Apache-2.0
// A value together with the way to it, so that an error can say `spec.ports[1].nodePort`. The way is a chain of
// the fields on the caller's stack: it costs nothing until an error asks for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/decode/document.h"

namespace shunt::decode {

class Field {
public:
    explicit Field(Value root) : value_(root) {}

    // A field refers to its parent, which therefore must outlive it: no children of temporaries.
    Field operator[](std::string_view key) const& { return {*this, {.key = key}, value_.find(key)}; }
    Field operator[](std::string_view key) const&& = delete;
    Field element(std::size_t index, Value value) const& { return {*this, {.index = index, .is_index = true}, value}; }
    Field entry(std::string_view key, Value value) const& { return {*this, {.key = key}, value}; }

    const Value& value() const { return value_; }
    bool is_absent() const { return value_.is_absent(); }

    std::string path() const;     // empty for the root
    Position position() const;    // of the nearest parent if the field is missing

private:
    Field(const Field& parent, PathStep step, Value value) : parent_(&parent), step_(step), value_(value) {}
    std::vector<PathStep> steps() const;

    const Field* parent_ = nullptr;
    PathStep step_;
    Value value_;
};

}  // namespace shunt::decode
