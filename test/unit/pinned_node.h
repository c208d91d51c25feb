// SPDX-License-Identifier: Apache-2.0
// Pinned maps as an agent leaves them, made by hand: one Service served in both families, one left to the stack, two
// IPv4 flows and one IPv6 flow. In a pin directory of this process; gone with the object.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "agent/support/fd.h"
#include "maps/agent_state.h"
#include "maps/control.h"
#include "maps/flow_place.h"

namespace shunt {

class PinnedNode {
public:
    PinnedNode();
    ~PinnedNode();

    const std::string& pin_dir() const { return pin_dir_; }
    int map(const char* name) const { return maps_.at(name).get(); }

    void put(const char* map, const void* key, const void* value);
    void put_agent(const agent_state& state);
    void put_control(const control& value);
    // The same on each CPU.
    void count_on_each_cpu(std::uint32_t event, std::uint64_t value);
    void add_service(std::uint32_t id, const char* name);

private:
    template <typename Flow>
    void put_flow(const char* map, const Flow& flow, const flow_place& place);
    void put_flow(const flow4& flow);
    void put_flow(const flow6& flow);
    flow_control table(address_family family);
    void make_maps();
    void fill();
    std::string pin_dir_;
    std::map<std::string, Fd> maps_;
};

// Idle times are read from a clock: what one tick more would show is taken for what is expected.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
    }
    return text;
}

}  // namespace shunt
