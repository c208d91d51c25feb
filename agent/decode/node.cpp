// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "agent/decode/object_decoder.h"

namespace shunt::decode {

Node decode_node(FieldReader& read, const Field& object, ObjectName name) {
    Node node;
    node.name = std::move(name);
    const Field metadata = read.mapping(object, "metadata");
    const Field labels = read.mapping(metadata, "labels");
    node.zone = read.text(labels["topology.kubernetes.io/zone"]);
    node.is_being_deleted = !read.text(metadata["deletionTimestamp"]).empty();
    const Field spec = read.mapping(object, "spec");
    read.for_each(spec["taints"], [&](const Field& taint) {
        if (taint.value().kind() != ValueKind::mapping) {
            return read.fail(taint, "is not a taint of a Node");
        }
        node.taints.push_back(read.text(taint["key"]));
    });
    const Field status = read.mapping(object, "status");
    read.for_each(status["addresses"], [&](const Field& address) {
        if (address.value().kind() != ValueKind::mapping) {
            return read.fail(address, "is not an address of a Node");
        }
        if (read.text(address["type"]) != "InternalIP") {
            return;
        }
        if (const std::optional<IpAddress> ip = read.address(address["address"])) {
            node.internal_ips.push_back(*ip);
        }
    });
    return node;
}

}  // namespace shunt::decode
