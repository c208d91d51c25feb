// SPDX-License-Identifier: Apache-2.0
// Answers of the Kubernetes API -> objects, by the decoder that reads the manifests. Where a manifest with one malformed
// object is refused as a whole, a list of the API's is not: each object stands for itself, and what cannot be read is
// named beside the rest.
//
// `kind` is Service, EndpointSlice or Node. Errors carry no place in the text: an answer may be tens of megabytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/decode/decode.h"

namespace shunt {

struct UndecodedObject {
    ObjectName name;  // as far as the object says
    Error error;
};

// One page of a list.
struct ApiList {
    std::vector<Object> objects;  // those of `kind`
    std::vector<UndecodedObject> undecoded;
    std::string resource_version;
    std::string continue_token;  // empty: the last page
};

// A Status (meta/v1): how the API says that something went wrong.
struct ApiStatus {
    int code = 0;  // as an HTTP status; 0: not said
    std::string reason;
    std::string message;
};

// One line of a watch.
struct ApiEvent {
    enum class Type { put, removed, bookmark, error };
    Type type = Type::bookmark;
    ObjectName name;                  // put, removed
    std::optional<Object> object;     // put: nothing if it is not for shunt (FQDN), or cannot be read
    std::optional<Error> undecoded;   // put: why it cannot be read
    std::string resource_version;     // of the object, or of the bookmark; empty with an error
    bool ends_initial_events = false;  // bookmark: all that there was has been sent (KEP-3157)
    ApiStatus status;                 // error
};

// Fails if the text is no list of this kind.
Result<ApiList> decode_api_list(std::string_view kind, std::string text);

// Fails if the text is no event of a watch of this kind. A type of event that is not known is taken for a bookmark.
Result<ApiEvent> decode_api_event(std::string_view kind, std::string text);

// Nothing if it is none: some answers are plain text.
std::optional<ApiStatus> decode_api_status(std::string text);

}  // namespace shunt
