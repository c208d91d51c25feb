// SPDX-License-Identifier: Apache-2.0
#include "agent/decode/yaml_document.h"

namespace shunt::decode {

Value YamlDocument::root() const { return nodes_.empty() ? Value() : value(0); }

Value YamlDocument::find(Handle mapping, std::string_view key) const {
    const std::vector<std::uint32_t>& children = node(mapping).children;
    for (std::size_t i = 0; i + 1 < children.size(); i += 2) {
        if (nodes_[children[i]].text == key) {
            return value(children[i + 1]);
        }
    }
    return {};
}

void YamlDocument::for_each_element(Handle sequence, const ElementVisitor& visit) const {
    const std::vector<std::uint32_t>& children = node(sequence).children;
    for (std::size_t i = 0; i < children.size(); ++i) {
        visit(i, value(children[i]));
    }
}

void YamlDocument::for_each_entry(Handle mapping, const EntryVisitor& visit) const {
    const std::vector<std::uint32_t>& children = node(mapping).children;
    for (std::size_t i = 0; i + 1 < children.size(); i += 2) {
        visit(nodes_[children[i]].text, value(children[i + 1]));
    }
}

}  // namespace shunt::decode
