// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/path.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "agent/bench/scene.h"

namespace shunt::bench {
namespace {

bool is_reply(Path path) {
    return path == Path::local_reply || path == Path::remote_reply;
}

// Out by the programs' own hand, not up or down the stack.
bool is_sent(Path path) {
    return path == Path::remote_request || path == Path::remote_reply || path == Path::new_remote;
}

// Both ends of the tuple that varies: of a remote reply the backend's address and the SNAT port.
bool word_is_source(Path path) {
    return path != Path::local_reply;
}

bool port_is_source(Path path) {
    return !is_reply(path);
}

Tuple dialled(const Scene& scene, Path path, const Flow& flow) {
    return {.source = scene.client(flow.number),
            .destination = path == Path::pass ? scene.stranger : scene.frontend,
            .source_port = scene.client_port(flow.number),
            .destination_port = path == Path::refused ? kEmptyFrontendPort : kFrontendPort};
}

}  // namespace

std::string_view name(Path path) {
    switch (path) {
        case Path::pass:
            return "pass";
        case Path::refused:
            return "refused";
        case Path::local_request:
            return "local-request";
        case Path::local_reply:
            return "local-reply";
        case Path::remote_request:
            return "remote-request";
        case Path::remote_reply:
            return "remote-reply";
        case Path::new_local:
            return "new-local";
        case Path::new_remote:
            return "new-remote";
    }
    return "?";
}

std::string_view name(Hook hook) {
    return hook == Hook::xdp ? "xdp" : "tc";
}

Placement placement(Path path) {
    return is_sent(path) ? Placement::remote : Placement::local;
}

bool opens_flows(Path path) {
    return path == Path::new_local || path == Path::new_remote;
}

std::span<const Hook> hooks(Path path) {
    static constexpr std::array both = {Hook::xdp, Hook::tc};
    return path == Path::local_reply ? std::span(both).subspan(1) : std::span(both);
}

const char* program(Path path, Hook hook) {
    if (hook == Hook::xdp) {
        return "xdp_ingress";
    }
    return path == Path::local_reply ? "tc_egress" : "tc_ingress";
}

Segment incoming(Path path, address_family family, const Flow& flow) {
    const Scene& at = scene(family);
    const Tuple request = dialled(at, path, flow);
    switch (path) {
        case Path::local_reply:
            return {.destination = kRouterMac,
                    .source = kNodeMac,
                    .tuple = {at.local_backend, request.source, kBackendPort, request.source_port},
                    .ttl = 63};
        case Path::remote_reply:
            return {.destination = kNodeMac,
                    .source = kOtherNodeMac,
                    .tuple = {at.remote_backend(flow.backend), at.node, kBackendPort, flow.snat_port},
                    .ttl = 63};
        default:
            return {.destination = kNodeMac,
                    .source = kRouterMac,
                    .tuple = request,
                    .ttl = 61,
                    .flags = path == Path::refused || opens_flows(path) ? kSyn : kAck};
    }
}

Segment outgoing(Path path, address_family family, const Flow& flow) {
    const Scene& at = scene(family);
    const Tuple request = dialled(at, path, flow);
    Segment out = incoming(path, family, flow);
    if (path == Path::local_request || path == Path::new_local) {
        out.tuple.destination = at.local_backend;
        out.tuple.destination_port = kBackendPort;
    } else if (path == Path::remote_request || path == Path::new_remote) {
        out.tuple = {at.node, at.remote_backend(flow.backend), flow.snat_port, kBackendPort};
        out.destination = kOtherNodeMac;
    } else if (is_reply(path)) {
        out.tuple = {request.destination, request.source, request.destination_port, request.source_port};
        out.destination = kRouterMac;
    }
    if (is_sent(path)) {
        out.source = kNodeMac;
        out.ttl--;
    }
    return out;
}

std::uint32_t expected_action(Path path, Hook hook) {
    if (path == Path::refused) {
        return hook == Hook::xdp ? static_cast<std::uint32_t>(XDP_DROP) : static_cast<std::uint32_t>(TC_ACT_SHOT);
    }
    if (hook == Hook::xdp) {
        return is_sent(path) ? XDP_TX : XDP_PASS;
    }
    return static_cast<std::uint32_t>(is_sent(path) ? TC_ACT_REDIRECT : TC_ACT_UNSPEC);
}

std::vector<event> expected_events(Path path) {
    switch (path) {
        case Path::pass:
            return {};
        case Path::refused:
            return {DROP_NO_LOCAL_ENDPOINT};
        case Path::local_request:
            return {FORWARDED_LOCAL_REQUEST};
        case Path::local_reply:
            return {FORWARDED_LOCAL_REPLY};
        case Path::remote_request:
            return {FORWARDED_REMOTE_REQUEST};
        case Path::remote_reply:
            return {FORWARDED_REMOTE_REPLY};
        case Path::new_local:
            return {FLOW_OPENED, FORWARDED_LOCAL_REQUEST};
        case Path::new_remote:
            return {FLOW_OPENED, FORWARDED_REMOTE_REQUEST};
    }
    return {};
}

Variation variation(Path path, address_family family) {
    const FrameOffsets offsets = frame_offsets(family);
    return {.word_offset = word_is_source(path) ? offsets.source_word : offsets.destination_word,
            .port_offset = port_is_source(path) ? offsets.source_port : offsets.destination_port};
}

bench_visit visit(Path path, address_family family, const Flow& flow) {
    const Tuple tuple = incoming(path, family, flow).tuple;
    return {.word = last_word(word_is_source(path) ? tuple.source : tuple.destination),
            .port = htons(port_is_source(path) ? tuple.source_port : tuple.destination_port),
            .pad = 0};
}

Bytes frame_without_visit(Path path, address_family family, std::uint8_t flags) {
    Segment segment = incoming(path, family, {});
    IpAddress& address = word_is_source(path) ? segment.tuple.source : segment.tuple.destination;
    address = with_last_word(address, 0);
    (port_is_source(path) ? segment.tuple.source_port : segment.tuple.destination_port) = 0;
    segment.flags = flags;
    return segment.frame();
}

}  // namespace shunt::bench
