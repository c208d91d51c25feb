// SPDX-License-Identifier: Apache-2.0
#include "agent/bench/opening.h"

#include <linux/bpf.h>

#include <algorithm>
#include <functional>

#include "agent/bench/check.h"
#include "agent/bench/scene.h"
#include "agent/bench/visits.h"
#include "agent/bench/wrapper.h"

namespace shunt::bench {
namespace {

constexpr std::uint32_t kOpeningsBetweenTending = 512;
constexpr int kReopenings = 8;

struct Directions {
    Path opening, request, reply;
    Hook reply_hook;
};

Directions directions(Placement placement) {
    return placement == Placement::local
               ? Directions{Path::new_local, Path::local_request, Path::local_reply, Hook::tc}
               : Directions{Path::new_remote, Path::remote_request, Path::remote_reply, Hook::xdp};
}

std::unexpected<Error> complain(const Datapath& datapath, std::string reason) {
    return failure("open a flow", datapath.family() == IPV4 ? "(IPv4)" : "(IPv6)", std::move(reason));
}

// Nothing: no place for it.
Result<std::optional<Flow>> open_one(const Datapath& datapath, Placement placement, std::uint32_t number) {
    const Path path = directions(placement).opening;
    Flow flow{.number = number};
    const auto outcome = datapath.run(path, Hook::xdp, incoming(path, datapath.family(), flow).frame());
    if (!outcome) {
        return std::unexpected(outcome.error());
    }
    if (outcome->action == XDP_DROP) {
        return std::nullopt;
    }
    if (placement == Placement::remote) {
        flow = with_translation(datapath.family(), flow, outcome->frame);
    }
    if (const auto complaint = check_outcome(path, Hook::xdp, datapath.family(), flow, *outcome)) {
        return complain(datapath, *complaint);
    }
    return flow;
}

// The packets with these flags, one for each flow, all in one run.
Status send_all(const Datapath& datapath, Path path, Hook hook, std::uint8_t flags, std::span<const Flow> order,
                std::uint32_t number) {
    const auto before = datapath.events();
    auto wrapper = Wrapper::make(datapath, path, hook, order);
    if (!before || !wrapper) {
        return std::unexpected(before ? wrapper.error() : before.error());
    }
    wrapper->set_frame(frame_without_visit(path, datapath.family(), flags));
    const auto outcome = wrapper->run(number);
    const auto after = datapath.events();
    if (!outcome || !after) {
        return std::unexpected(outcome ? after.error() : outcome.error());
    }
    if (const auto complaint = check_events(expected_events(path), number, *after - *before)) {
        return complain(datapath, *complaint);
    }
    return {};
}

// Two flows with one source port towards one backend could not be told apart.
Status check_ports(const Datapath& datapath, const std::vector<Flow>& flows) {
    std::vector<std::uint32_t> ports;
    for (const Flow& flow : flows) {
        ports.push_back(std::uint32_t{flow.backend} << 16 | flow.snat_port);
    }
    std::ranges::sort(ports);
    if (std::ranges::adjacent_find(ports) != ports.end()) {
        return complain(datapath, "two flows to one backend were given the same source port");
    }
    return {};
}

Status shake_hands(const Datapath& datapath, Placement placement, const std::vector<Flow>& flows) {
    const Directions way = directions(placement);
    const std::vector<Flow> order = visiting_order(flows, Visits::uniform);
    const auto number = static_cast<std::uint32_t>(flows.size());
    Status sent = send_all(datapath, way.reply, way.reply_hook, kSyn | kAck, order, number);
    if (sent) {
        sent = datapath.tend();
    }
    return sent ? send_all(datapath, way.request, Hook::xdp, kAck, order, number) : sent;
}

// A flow that is opened may take the place of one that is still half open: sends all first packets again until none gives
// way.
Status reopen(const Datapath& datapath, Placement placement, std::vector<Flow>& flows) {
    for (int i = 0; i < kReopenings; i++) {
        const auto before = datapath.events();
        if (!before) {
            return std::unexpected(before.error());
        }
        for (Flow& flow : flows) {
            if (flow.number % kOpeningsBetweenTending == 0) {
                if (auto tended = datapath.tend(); !tended) {
                    return tended;
                }
            }
            const auto again = open_one(datapath, placement, flow.number);
            if (!again) {
                return std::unexpected(again.error());
            }
            if (!*again) {
                return complain(datapath, "a flow that gave way could not be opened again");
            }
            flow = **again;
        }
        const auto after = datapath.events();
        if (!after) {
            return std::unexpected(after.error());
        }
        if ((*after - *before)[FLOW_EVICTED] == 0) {
            return {};
        }
    }
    return complain(datapath, "flows went on to give way to each other");
}

}  // namespace

Result<std::vector<Flow>> open_flows(const Datapath& datapath, Placement placement, std::uint32_t number) {
    const auto before = datapath.events();
    if (!before) {
        return std::unexpected(before.error());
    }
    std::vector<Flow> flows;
    std::uint64_t tried = 0;
    const std::uint64_t most = number + number / 1000 + 8;
    for (; flows.size() < number && tried < most; tried++) {
        const auto flow = open_one(datapath, placement, static_cast<std::uint32_t>(tried));
        if (!flow) {
            return std::unexpected(flow.error());
        }
        if (*flow) {
            flows.push_back(**flow);
        }
        if (tried % kOpeningsBetweenTending == 0) {
            if (auto tended = datapath.tend(); !tended) {
                return std::unexpected(tended.error());
            }
        }
    }
    const auto after = datapath.events();
    if (!after) {
        return std::unexpected(after.error());
    }
    std::uint64_t refused = 0;
    if (const auto complaint = check_openings(directions(placement).opening, tried, *after - *before, refused)) {
        return complain(datapath, *complaint);
    }
    Status ready = (*after - *before)[FLOW_EVICTED] != 0 ? reopen(datapath, placement, flows) : Status{};
    if (ready && placement == Placement::remote) {
        ready = check_ports(datapath, flows);
    }
    if (ready) {
        ready = shake_hands(datapath, placement, flows);
    }
    if (!ready) {
        return std::unexpected(ready.error());
    }
    return flows;
}

Status check_both_directions(const Datapath& datapath, Placement placement, std::span<const Flow> flows) {
    const Directions way = directions(placement);
    for (Flow flow : flows) {
        const auto request =
            datapath.run(way.request, Hook::xdp, incoming(way.request, datapath.family(), flow).frame());
        if (!request) {
            return std::unexpected(request.error());
        }
        if (placement == Placement::remote) {
            flow = with_translation(datapath.family(), flow, request->frame);
        }
        if (const auto complaint = check_outcome(way.request, Hook::xdp, datapath.family(), flow, *request)) {
            return complain(datapath, *complaint);
        }
        const auto reply =
            datapath.run(way.reply, way.reply_hook, incoming(way.reply, datapath.family(), flow).frame());
        if (!reply) {
            return std::unexpected(reply.error());
        }
        if (const auto complaint = check_outcome(way.reply, way.reply_hook, datapath.family(), flow, *reply)) {
            return complain(datapath, *complaint);
        }
    }
    return {};
}

}  // namespace shunt::bench
