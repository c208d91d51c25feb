// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/flow_expiry.h"

#include <bpf/bpf.h>

#include <vector>

#include "agent/datapath/flow_pair.h"
#include "maps/control.h"
#include "maps/flow.h"

namespace shunt {
namespace {

constexpr std::uint32_t kBatch = 4096;

bool is_idle(std::uint8_t protocol, const recipe& recipe, std::uint32_t now) {
    const std::uint32_t idle = now - recipe.last_seen;
    // A packet that was seen after `now` was read: its age wraps around.
    return idle < 0x80000000U && idle > flow_idle_limit(protocol, recipe.state);
}

// `flow` at `key` is idle. A reply goes with its request; one whose request is gone goes alone.
template <typename Key, typename Flow>
bool remove_if_idle(int map, const Key& key, const Flow& flow, std::uint32_t now) {
    const Key partner = partner_key(key, flow);
    Flow other{};
    const bool paired = bpf_map_lookup_elem(map, &partner, &other) == 0;
    if (paired && (!is_request(flow.recipe) || !is_idle(key.protocol, other.recipe, now))) {
        return false;
    }
    // The reply first: a request entry that is seen has its reply.
    if (paired) {
        bpf_map_delete_elem(map, &partner);
    }
    return bpf_map_delete_elem(map, &key) == 0;
}

template <typename Key, typename Flow>
Result<ExpiryResult> expire(int map, std::uint32_t now) {
    ExpiryResult result;
    std::vector<Key> keys(kBatch);
    std::vector<Flow> flows(kBatch);
    std::uint32_t position = 0;
    bool first = true;
    bool more = true;
    while (more) {
        __u32 count = kBatch;
        if (bpf_map_lookup_batch(map, first ? nullptr : &position, &position, keys.data(), flows.data(), &count,
                                 nullptr) != 0) {
            if (errno != ENOENT) {
                return failure_errno("walk", "flows");
            }
            more = false;
        }
        first = false;
        result.entries_seen += count;
        for (std::uint32_t i = 0; i < count; i++) {
            if (is_idle(keys[i].protocol, flows[i].recipe, now) && remove_if_idle(map, keys[i], flows[i], now)) {
                result.flows_removed++;
            }
        }
    }
    return result;
}

}  // namespace

std::uint32_t flow_idle_limit(std::uint8_t protocol, std::uint8_t state) {
    std::uint64_t seconds = 0;
    if (protocol == UDP) {
        seconds = state == FLOW_HALF_OPEN ? FLOW_TIMEOUT_UDP_HALF_OPEN : FLOW_TIMEOUT_UDP_ESTABLISHED;
    } else if (state == FLOW_ESTABLISHED) {
        seconds = FLOW_TIMEOUT_TCP_ESTABLISHED;
    } else if (state == FLOW_CLOSING) {
        seconds = FLOW_TIMEOUT_TCP_CLOSING;
    } else {
        seconds = FLOW_TIMEOUT_TCP_HALF_OPEN;
    }
    return static_cast<std::uint32_t>((seconds * 1000000000ULL >> TICK_SHIFT) + 1);
}

Result<ExpiryResult> expire_flows4(int map, std::uint32_t now) { return expire<flow4_key, flow4>(map, now); }
Result<ExpiryResult> expire_flows6(int map, std::uint32_t now) { return expire<flow6_key, flow6>(map, now); }

}  // namespace shunt
