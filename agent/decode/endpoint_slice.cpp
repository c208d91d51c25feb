// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "agent/decode/object_decoder.h"

namespace shunt::decode {
namespace {

constexpr const char* service_name_label = "kubernetes.io/service-name";
constexpr const char* trigger_time_annotation = "endpoints.kubernetes.io/last-change-trigger-time";

// Nothing for an endpoint without an address; the others are the same pod's and not for a proxy to use.
std::optional<IpAddress> decode_first_address(FieldReader& read, const Field& endpoint) {
    std::optional<IpAddress> first;
    bool is_first = true;
    read.for_each(endpoint["addresses"], [&](const Field& address) {
        if (std::exchange(is_first, false)) {
            first = read.address(address);
            if (!first) {
                read.fail(address, "is not an IP address");
            }
        }
    });
    return first;
}

std::vector<std::string> decode_hints(FieldReader& read, const Field& list) {
    std::vector<std::string> names;
    read.for_each(list, [&](const Field& hint) {
        if (hint.value().kind() != ValueKind::mapping) {
            return read.fail(hint, "is not a hint of an endpoint");
        }
        names.push_back(read.text(hint["name"]));
    });
    return names;
}

void decode_endpoint(FieldReader& read, const Field& field, EndpointSlice& slice, Warnings& warnings) {
    if (field.value().kind() != ValueKind::mapping) {
        return read.fail(field, "is not an endpoint");
    }
    const std::optional<IpAddress> address = decode_first_address(read, field);
    Endpoint endpoint;
    endpoint.node_name = read.subdomain(field["nodeName"]);
    const Field conditions = read.mapping(field, "conditions");
    endpoint.ready = read.boolean(conditions["ready"]);
    endpoint.serving = read.boolean(conditions["serving"]);
    endpoint.terminating = read.boolean(conditions["terminating"]);
    const Field hints = read.mapping(field, "hints");
    endpoint.zone_hints = decode_hints(read, hints["forZones"]);
    endpoint.node_hints = decode_hints(read, hints["forNodes"]);
    if (!address) {
        return;
    }
    if (address->family != slice.family) {
        return warnings.add(field, address->to_string() + " is not of the slice's addressType and left out");
    }
    endpoint.address = *address;
    slice.endpoints.push_back(std::move(endpoint));
}

// A port without a number, or with 0, means all ports: a proxy has no use for it.
void decode_port(FieldReader& read, const Field& field, EndpointSlice& slice, Warnings& warnings) {
    if (field.value().kind() != ValueKind::mapping) {
        return read.fail(field, "is not a port of an EndpointSlice");
    }
    EndpointPort port;
    port.name = read.label(field["name"]);
    const std::optional<l4_protocol> protocol = decode_protocol(read, field, warnings);
    port.port = read.port(field["port"]);
    if (protocol && port.port != 0) {
        port.protocol = *protocol;
        slice.ports.push_back(std::move(port));
    }
}

}  // namespace

EndpointSlice decode_endpoint_slice(FieldReader& read, const Field& object, ObjectName name, Warnings& warnings) {
    EndpointSlice slice;
    slice.name = std::move(name);
    slice.labels = decode_labels(read, object);
    if (const auto label = slice.labels.find(service_name_label); label != slice.labels.end()) {
        slice.service_name = label->second;
    }
    const Field metadata = read.mapping(object, "metadata");
    const Field annotations = read.mapping(metadata, "annotations");
    slice.change_trigger_time = read.text(annotations[trigger_time_annotation]);
    if (read.text(object["addressType"]).empty()) {
        read.fail_missing(object["addressType"]);
    }
    slice.family = read.word(object["addressType"], {"IPv4", "IPv6"}) == 0 ? IPV4 : IPV6;
    read.for_each(object["endpoints"], [&](const Field& field) { decode_endpoint(read, field, slice, warnings); });
    read.for_each(object["ports"], [&](const Field& field) { decode_port(read, field, slice, warnings); });
    return slice;
}

}  // namespace shunt::decode
