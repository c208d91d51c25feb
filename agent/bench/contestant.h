// SPDX-License-Identifier: Apache-2.0
// Programs to measure: those of bpf/forward.bpf.c, or others with the same maps and names of programs.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/support/result.h"
#include "maps/types.h"

namespace shunt::bench {

struct ObjectClose {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, ObjectClose>;

// What the flow table must hold; the other family's may be tiny.
struct Room {
    address_family family;
    std::uint32_t flows;      // that will be opened
    std::uint32_t max_flows;  // that there must be room for
};

struct Contestant {
    std::string name;
    std::function<Result<Object>(const Room& room)> load;  // and nothing pinned
    // What user space has to do for the programs while flows are opened (every few thousand) and before each
    // measurement, for instance let a table grow. Its time is not measured. May be empty.
    std::function<Status(bpf_object& object)> tend;
};

// For `load`: the constants of bpf/forward.bpf.c as this machine needs them.
void set_constants(bpf_object& object);

// This build's.
Contestant own_programs();

// Another build's: `object` has the bytes of its forward.bpf.o, whose maps are as this build's.
Contestant other_programs(std::string name, std::string object);

// The same with room for no more flows than are opened.
Contestant sized_to_the_load(Contestant contestant, std::string name);

// For `load`: opens an object file's bytes, gives the maps that every contestant has small sizes, lets `size` set the
// rest, loads.
Result<Object> load_object(const std::string& name, const void* bytes, std::size_t length,
                           const std::function<void(bpf_object& object)>& size);

}  // namespace shunt::bench
