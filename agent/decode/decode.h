// SPDX-License-Identifier: Apache-2.0
// Documents -> objects. One decoder for YAML manifests, JSON manifests and the API server's answers.
//
// It reads Service and Node (v1), EndpointSlice (discovery.k8s.io/v1) and lists of them. Whatever else a
// document holds is skipped and reported. One malformed object makes the whole text an error: half a file is
// never taken for a file. Nothing is thrown, whatever the text; depth, aliases and merges are bounded.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/model/object.h"
#include "agent/support/result.h"

namespace shunt {

using Object = std::variant<Service, EndpointSlice, Node>;

struct SkippedObject {
    std::string kind;  // e.g. "Deployment (apps/v1)"
    ObjectName name;   // as far as the document says
    auto operator<=>(const SkippedObject&) const = default;
};

struct DecodedFile {
    std::vector<Object> objects;          // in the order of the text
    std::vector<SkippedObject> skipped;
    std::vector<std::string> warnings;    // parts left out of an object, e.g. SCTP ports; one line each
};

// The error's `object` is "path:line:column", its reason "spec.ports[0].nodePort: 70000 is not a port (Service
// shop/orders-service)". `path` is only used for messages, and for its ending: .json is JSON, all else YAML.
Result<DecodedFile> decode_file(std::string_view path, std::string text);

// Several documents may follow each other: separated by `---` in YAML, by white space or nothing in JSON.
Result<DecodedFile> decode_yaml(std::string_view path, const std::string& text);
Result<DecodedFile> decode_json(std::string_view path, std::string text);

// "shop/orders-service"; just the name without a namespace.
std::string to_string(const ObjectName& name);

}  // namespace shunt
