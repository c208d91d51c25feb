// SPDX-License-Identifier: Apache-2.0
// How what the harness returns reads in a failed comparison.
#include <ostream>

#include "test/bpf/datapath.h"

namespace shunt::test {

const char* name(Program program) {
    static constexpr const char* names[] = {"xdp_ingress", "tc_ingress", "tc_ingress_after_xdp", "tc_egress"};
    return names[static_cast<int>(program)];
}

const char* name(Verdict verdict) {
    static constexpr const char* names[] = {"passed", "dropped", "sent back", "redirected", "OTHER", "refused"};
    return names[static_cast<int>(verdict)];
}

const char* name(event event) {
    static constexpr const char* names[] = {
#define EVENT(kind, name, meaning, cause, next_step) #name,
#include "maps/event.def"
#undef EVENT
    };
    return names[event];
}

std::ostream& operator<<(std::ostream& out, Verdict verdict) {
    return out << name(verdict);
}

Events::Events(std::initializer_list<event> events) {
    for (const event event : events) {
        counts[event]++;
    }
}

Events operator-(const Events& now, const Events& before) {
    Events difference = now;
    for (const auto& [event, count] : before.counts) {
        if (!(difference.counts[event] -= count)) {
            difference.counts.erase(event);
        }
    }
    return difference;
}

std::ostream& operator<<(std::ostream& out, const Events& events) {
    out << '{';
    for (const auto& [event, count] : events.counts) {
        out << ' ' << name(event);
        if (count > 1) {
            out << '*' << count;
        }
    }
    return out << " }";
}

std::ostream& operator<<(std::ostream& out, const ServiceCount& count) {
    return out << count.flows_opened << " flows opened, " << count.drops << " drops";
}

std::ostream& operator<<(std::ostream& out, const Flow& flow) {
    static constexpr const char* kinds[] = {"?", "local request", "remote request", "local reply", "remote reply"};
    static constexpr const char* states[] = {"?", "half open", "replied", "established", "closing"};
    return out << kinds[flow.kind] << ' ' << states[flow.state] << (flow.key.protocol == TCP ? " TCP " : " UDP ")
               << (flow.key.hook == FLOW_EGRESS ? "egress " : "ingress ") << flow.key.saddr.to_string() << ' '
               << flow.key.sport << " > " << flow.key.daddr.to_string() << ' ' << flow.key.dport << " becomes "
               << flow.saddr.to_string() << ' ' << flow.sport << " > " << flow.daddr.to_string() << ' ' << flow.dport
               << " by " << flow.ifindex << " hop " << flow.hop << " mtu " << flow.mtu << ' ' << flow.smac.to_string()
               << " > " << flow.dmac.to_string() << " service " << flow.service << " backend " << flow.backend;
}

}  // namespace shunt::test
