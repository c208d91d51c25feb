// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/agent_report.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cstring>

#include "agent/support/clock.h"
#include "agent/support/log.h"

namespace shunt {
namespace {

template <std::size_t size>
void copy_text(char (&to)[size], const std::string& text) {
    std::memset(to, 0, size);
    std::memcpy(to, text.data(), std::min(text.size(), size - 1));
}

}  // namespace

AgentReport::AgentReport(int map, const std::string& node_name, const std::string& source) : map_(map) {
    const std::uint32_t zero = 0;
    agent_state before{};
    if (bpf_map_lookup_elem(map_, &zero, &before) == 0) {
        state_.last_change_ns = before.last_change_ns;
        state_.last_in_force_ns = before.last_in_force_ns;
    }
    state_.started_ns = monotonic_ns();
    state_.pid = static_cast<std::uint32_t>(getpid());
    copy_text(state_.version, SHUNT_VERSION);
    copy_text(state_.node_name, node_name);
    copy_text(state_.source, source);
}

void AgentReport::set_waiting_for(const std::string& text) { copy_text(state_.waiting_for, text); }
void AgentReport::set_last_error(const std::string& text) { copy_text(state_.last_error, text); }

void AgentReport::publish() {
    state_.heartbeat_ns = monotonic_ns();
    const std::uint32_t zero = 0;
    if (bpf_map_update_elem(map_, &zero, &state_, BPF_ANY) != 0 && !complained_) {
        complained_ = true;
        log::error("agent_state cannot be written: {}", std::strerror(errno));
    }
}

}  // namespace shunt
