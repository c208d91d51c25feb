// SPDX-License-Identifier: Apache-2.0
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <istream>
#include <spanstream>
#include <unordered_map>

#include "agent/decode/yaml_document.h"

namespace shunt::decode {
namespace {

using Node = YamlDocument::Node;

// Nodes that a document may have beyond those written out, by aliases and merges. Nobody's manifests come near;
// a "billion laughs" document meets it at once.
constexpr std::uint64_t most_shared_nodes = 1'000'000;
// The parser recurses once for each level and has a limit of its own, which is generous for a thread's stack.
constexpr std::size_t deepest_node = 200;

Position position_of(const YAML::Mark& mark) {
    if (mark.is_null() || mark.line < 0 || mark.column < 0) {
        return {};
    }
    return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

class Builder final : public YAML::EventHandler {
public:
    std::vector<Node> take() { return std::move(nodes_); }
    const YAML::Mark& start() const { return start_; }

    void OnDocumentStart(const YAML::Mark& mark) override {
        start_ = mark;
        nodes_.clear();
        sizes_.clear();
        open_.clear();
        anchors_.clear();
        shared_ = 0;
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(mark, anchor, ValueKind::null); }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto target = anchors_.find(anchor);
        if (target == anchors_.end() || std::ranges::find(open_, target->second) != open_.end()) {
            throw YAML::ParserException(mark, "an alias inside its own anchor");
        }
        share(mark, sizes_[target->second]);
        adopt(target->second);
        if (!open_.empty()) {
            sizes_[open_.back()] += sizes_[target->second];
        }
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        Node& node = nodes_[add(mark, anchor, ValueKind::text)];
        node.text = value;
        // "?" stands for a plain scalar without a tag, "!" for a quoted one.
        const bool is_plain = tag == "?" || tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:bool" ||
                              tag == "tag:yaml.org,2002:float";
        if (is_plain) {
            resolve_plain_scalar(node);
        }
        if (tag == "?" && value == "<<") {
            merges_ = true;
        }
        close_scalar();
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(add(mark, anchor, ValueKind::sequence), mark);
    }
    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(add(mark, anchor, ValueKind::mapping), mark);
    }
    void OnMapEnd() override {
        refuse_repeated_keys(open_.back());
        if (merges_) {
            merge(open_.back());
        }
        close();
    }

private:
    std::uint32_t add(const YAML::Mark& mark, YAML::anchor_t anchor, ValueKind kind) {
        const auto index = static_cast<std::uint32_t>(nodes_.size());
        nodes_.push_back({.kind = kind, .position = position_of(mark)});
        sizes_.push_back(1);
        adopt(index);
        if (anchor != YAML::NullAnchor) {
            anchors_[anchor] = index;
        }
        if (kind == ValueKind::null) {
            close_scalar();
        }
        return index;
    }

    void adopt(std::uint32_t child) {
        if (!open_.empty()) {
            nodes_[open_.back()].children.push_back(child);
        }
    }

    void open(std::uint32_t index, const YAML::Mark& mark) {
        if (open_.size() >= deepest_node) {
            throw YAML::ParserException(mark, "nested too deep");
        }
        open_.push_back(index);
    }

    void close() {
        const std::uint32_t closed = open_.back();
        open_.pop_back();
        if (!open_.empty()) {
            sizes_[open_.back()] += sizes_[closed];
        }
    }

    void close_scalar() {
        if (!open_.empty()) {
            ++sizes_[open_.back()];
        }
    }

    void share(const YAML::Mark& mark, std::uint64_t size) {
        shared_ += size;
        if (shared_ > most_shared_nodes) {
            throw YAML::ParserException(mark, "aliases make this document too large");
        }
    }

    static YAML::Mark mark_of(const Position& position) {
        YAML::Mark mark;
        mark.line = static_cast<int>(position.line) - 1;
        mark.column = static_cast<int>(position.column) - 1;
        return mark;
    }

    void refuse_repeated_keys(std::uint32_t mapping) {
        const std::vector<std::uint32_t>& children = nodes_[mapping].children;
        keys_.clear();
        for (std::size_t i = 0; i < children.size(); i += 2) {
            if (nodes_[children[i]].kind >= ValueKind::sequence || nodes_[children[i]].kind == ValueKind::null) {
                throw YAML::ParserException(mark_of(nodes_[children[i]].position), "a key that is not text");
            }
            keys_.push_back(children[i]);
        }
        const auto by_text = [&](std::uint32_t index) -> const std::string& { return nodes_[index].text; };
        std::ranges::stable_sort(keys_, {}, by_text);
        const auto twice = std::ranges::adjacent_find(keys_, {}, by_text);
        if (twice != keys_.end()) {
            throw YAML::ParserException(mark_of(nodes_[twice[1]].position), "a second key " + by_text(*twice));
        }
    }

    // `<<: *defaults`: the entries of other mappings count where the mapping has none of its own.
    void merge(std::uint32_t mapping) {
        const std::vector<std::uint32_t> children = nodes_[mapping].children;
        for (std::size_t i = 0; i < children.size(); i += 2) {
            if (nodes_[children[i]].text != "<<") {
                continue;
            }
            const Node& source = nodes_[children[i + 1]];
            if (source.kind == ValueKind::mapping) {
                merge_from(mapping, children[i + 1]);
            } else if (source.kind == ValueKind::sequence) {
                for (const std::uint32_t element : std::vector(source.children)) {
                    merge_from(mapping, element);
                }
            } else {
                throw YAML::ParserException(mark_of(source.position), "<< wants a mapping or a list of mappings");
            }
        }
    }

    void merge_from(std::uint32_t mapping, std::uint32_t source) {
        if (nodes_[source].kind != ValueKind::mapping) {
            throw YAML::ParserException(mark_of(nodes_[source].position), "<< wants a mapping or a list of mappings");
        }
        const std::vector<std::uint32_t> entries = nodes_[source].children;
        std::vector<std::uint32_t>& children = nodes_[mapping].children;
        for (std::size_t i = 0; i < entries.size(); i += 2) {
            bool is_there = false;
            for (std::size_t k = 0; k < children.size() && !is_there; k += 2) {
                is_there = nodes_[children[k]].text == nodes_[entries[i]].text;
            }
            // Each comparison counts as well: merging is quadratic, and few merge more than a handful of keys.
            share(mark_of(nodes_[mapping].position), children.size() / 2 + sizes_[entries[i + 1]]);
            if (!is_there) {
                children.push_back(entries[i]);
                children.push_back(entries[i + 1]);
                sizes_[mapping] += sizes_[entries[i]] + sizes_[entries[i + 1]];
            }
        }
    }

    YAML::Mark start_;
    std::vector<Node> nodes_;
    std::vector<std::uint64_t> sizes_;  // of each node with all below it, aliases written out
    std::vector<std::uint32_t> open_;   // the mappings and sequences around the next event
    std::unordered_map<YAML::anchor_t, std::uint32_t> anchors_;
    std::vector<std::uint32_t> keys_;
    std::uint64_t shared_ = 0;
    bool merges_ = false;
};

}  // namespace

std::optional<SyntaxError> for_each_yaml_document(const std::string& text,
                                                  const std::function<bool(const Document&)>& visit) {
    try {
        std::ispanstream stream{std::span<const char>(text)};
        YAML::Parser parser(stream);
        Builder builder;
        int previous_start = -1;
        while (parser.HandleNextDocument(builder)) {
            // The parser can get stuck at a stray token, with one empty document after the other.
            if (builder.start().pos <= previous_start) {
                return SyntaxError{position_of(builder.start()), "is not YAML from here on"};
            }
            previous_start = builder.start().pos;
            if (!visit(YamlDocument(builder.take()))) {
                break;
            }
        }
        return std::nullopt;
    } catch (const YAML::Exception& error) {
        return SyntaxError{position_of(error.mark), error.msg};
    } catch (const std::exception& error) {
        return SyntaxError{{}, error.what()};
    }
}

}  // namespace shunt::decode
