// SPDX-License-Identifier: Apache-2.0
// The paths through the programs: which packet takes each, what must come of it, what must be counted.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/bench/test_run.h"
#include "bpf/bench.h"
#include "maps/event.h"

namespace shunt::bench {

enum class Path { pass, refused, local_request, local_reply, remote_request, remote_reply, new_local, new_remote };

inline constexpr std::array kPaths = {Path::pass,           Path::refused,      Path::local_request, Path::local_reply,
                                      Path::remote_request, Path::remote_reply, Path::new_local,     Path::new_remote};

// Where the backends are that the flows of a table go to.
enum class Placement { local, remote };

std::string_view name(Path path);
std::string_view name(Hook hook);
Placement placement(Path path);  // for a path without a flow: of the flows beside it
bool opens_flows(Path path);     // each packet is the first of a flow
std::span<const Hook> hooks(Path path);
const char* program(Path path, Hook hook);  // its name in the object

// A flow as its packets show it.
struct Flow {
    std::uint32_t number = 0;     // see Scene::client
    std::uint16_t backend = 0;    // see Scene::remote_backend; of local flows 0
    std::uint16_t snat_port = 0;  // likewise
};

Segment incoming(Path path, address_family family, const Flow& flow);
Segment outgoing(Path path, address_family family, const Flow& flow);  // what must come out
std::uint32_t expected_action(Path path, Hook hook);
std::vector<event> expected_events(Path path);  // once for each packet

// Where a visit's word and port go, and what they are.
struct Variation {
    std::uint32_t word_offset, port_offset;
};
Variation variation(Path path, address_family family);
bench_visit visit(Path path, address_family family, const Flow& flow);
// The incoming frame with 0 for the visit's word and port.
Bytes frame_without_visit(Path path, address_family family, std::uint8_t flags);

}  // namespace shunt::bench
