// SPDX-License-Identifier: Apache-2.0
// The one decoder behind decode_yaml and decode_json: one document -> the objects in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/decode/decode.h"
#include "agent/decode/field_reader.h"

namespace shunt::decode {

struct ObjectError {
    FieldError field;
    std::string object;  // "Service shop/orders-service"; empty: not known yet
};

// Adds what the document holds to `into`. After an error `into` may hold a part of it.
std::optional<ObjectError> decode_document(const Document& document, DecodedFile& into);

struct TypeMeta {
    std::string api_version;
    std::string kind;
};

// One object, no list; `by_default` is its type if it names none, as in a list of the API's. After an error nothing was
// added.
std::optional<ObjectError> decode_object(const Field& object, const TypeMeta& by_default, DecodedFile& into);

// Where a decoder of one kind notes what it leaves out of an object.
class Warnings {
public:
    explicit Warnings(std::vector<std::string>& into) : into_(into) {}
    void add(const Field& field, std::string_view what);

private:
    std::vector<std::string>& into_;
};

Service decode_service(FieldReader& read, const Field& object, ObjectName name, Warnings& warnings);
EndpointSlice decode_endpoint_slice(FieldReader& read, const Field& object, ObjectName name, Warnings& warnings);
Node decode_node(FieldReader& read, const Field& object, ObjectName name);

// What the kinds have in common.
std::map<std::string, std::string> decode_labels(FieldReader& read, const Field& object);
std::optional<l4_protocol> decode_protocol(FieldReader& read, const Field& port, Warnings& warnings);

}  // namespace shunt::decode
