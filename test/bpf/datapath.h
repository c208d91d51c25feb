// SPDX-License-Identifier: Apache-2.0
// The real programs with small maps, run on single frames by BPF_PROG_TEST_RUN. Plays the agent: fills the maps,
// gives signs of life. Speaks of maps/ as the contract says; knows nothing of how the programs do their work.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "maps/device.h"
#include "maps/event.h"
#include "maps/flow.h"
#include "maps/frontend.h"
#include "test/bpf/network.h"
#include "test/packet/frame.h"

struct forward_bpf;

namespace shunt::test {

enum class Program { XDP_INGRESS, TC_INGRESS, TC_INGRESS_AFTER_XDP, TC_EGRESS };

const char* name(Program program);

// What the program said, in words for all hooks.
enum class Verdict {
    PASSED,      // XDP_PASS, TC_ACT_UNSPEC
    DROPPED,     // XDP_DROP, TC_ACT_SHOT
    SENT_BACK,   // XDP_TX
    REDIRECTED,  // XDP_REDIRECT, TC_ACT_REDIRECT
    OTHER,       // none of them: always a mistake
    REFUSED,     // by the kernel's test run: the program did not see the frame
};

const char* name(Verdict verdict);
std::ostream& operator<<(std::ostream& out, Verdict verdict);

// What was counted; comparing two compares all counters.
struct Events {
    std::map<event, std::uint64_t> counts;

    Events() = default;
    Events(std::initializer_list<event> events);
    bool operator==(const Events&) const = default;
};

// What was counted since.
Events operator-(const Events& now, const Events& before);

const char* name(event event);
std::ostream& operator<<(std::ostream& out, const Events& events);

struct Outcome {
    Verdict verdict = Verdict::OTHER;
    packet::Frame frame;
    packet::Bytes metadata;  // what XDP put before the frame
    Events events;
};

struct RunOptions {
    // tc: the kernel checks after the run that its own sum over the packet (CHECKSUM_COMPLETE) is still right.
    bool checksum_complete = true;
    unsigned segment_size = 0;  // tc: a GSO packet of such segments
    unsigned first_buffer = 0;  // XDP: bytes in the first buffer, the rest in fragments; 0: as the kernel likes
};

struct FlowKey {
    packet::Address saddr, daddr;
    std::uint16_t sport = 0, dport = 0;
    l4_protocol protocol{};
    flow_hook hook{};

    bool operator==(const FlowKey&) const = default;
};

// A recipe without its arithmetic: the frames show whether that is right.
struct Flow {
    FlowKey key;
    recipe_kind kind{};
    flow_state state{};
    packet::Address saddr, daddr;
    std::uint16_t sport = 0, dport = 0;
    std::uint32_t service = 0, backend = 0;
    unsigned ifindex = 0;
    // Of packets that are sent out.
    unsigned hop = 0;  // enum next_hop, several
    unsigned mtu = 0;
    packet::Mac dmac = "00:00:00:00:00:00", smac = "00:00:00:00:00:00";

    bool operator==(const Flow&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Flow& flow);

struct BackendAt {
    packet::Address address;
    std::uint16_t port = 8080;
    bool local = false;
};

struct Frontend {
    packet::Address address;
    std::uint16_t port = 80;
    l4_protocol protocol = TCP;
};

struct ServiceCount {
    std::uint64_t flows_opened = 0, drops = 0;
    bool operator==(const ServiceCount&) const = default;
};

std::ostream& operator<<(std::ostream& out, const ServiceCount& count);

class Datapath {
public:
    struct Options {
        unsigned flow_blocks = FLOW_STRIPES;  // of 128 slots; a power of two from that on
        unsigned snat_port_min = 10240;
        unsigned snat_port_count = 16384;
        unsigned slots = 16384;
        bool route_tells_source = kernel_tells_route_source();
    };

    explicit Datapath(const Options& options);
    ~Datapath();

    // No service, no flow, no device but the two of `network`; a living agent.
    void reset(const Network& network);

    // A new service with these frontends; its id. The backends share its slots evenly; their ids follow in order.
    std::uint32_t serve(const std::vector<Frontend>& frontends, const std::vector<BackendAt>& backends);
    std::uint32_t last_backend() const { return next_backend_ - 1; }
    // All slots of the service name this backend from now on, whether it exists or not.
    void point_slots_at(std::uint32_t service, std::uint32_t backend);
    void put_device(const Device& device, device_transmit transmit, bool has_address = true);
    void remove_device(unsigned ifindex);
    void raise_route_epoch();
    void set_heartbeat_age(std::uint32_t ticks);
    void drain();  // new flows are left to the stack until reset()

    Outcome run(Program program, const Device& device, std::span<const std::uint8_t> frame, RunOptions options = {});
    Outcome run(Program program, const Device& device, const packet::Packet& packet, RunOptions options = {}) {
        return run(program, device, packet.build(), options);
    }

    // The same without counters and copies, for many frames. `out` takes the metadata and the frame behind it.
    struct Raw {
        Verdict verdict;
        std::span<const std::uint8_t> frame, metadata;
    };
    Raw run_raw(Program program, const Device& device, std::span<const std::uint8_t> frame, std::span<std::uint8_t> out,
                RunOptions options = {});

    std::vector<Flow> flows() const;  // in no order
    void remove_flows();
    // Removes all flows; new seeds, and the smallest shape again.
    void renew_flow_tables();
    // As if every flow had been through that: the entries' states only.
    void put_flows_in_state(flow_state state);
    // As if nothing had been seen of any flow for so long.
    void age_flows(std::uint32_t ticks);
    flow_control table(int version) const;
    Events events() const;
    ServiceCount service_count(std::uint32_t service) const;
    std::uint32_t route_epoch() const;
    int program_fd(Program program) const;
    int map_fd(const char* name) const;  // aborts if there is none

private:
    std::uint32_t backend_of(const Flow& flow) const;
    void put_slot(std::uint32_t slot, std::uint32_t backend);

    std::unique_ptr<forward_bpf, void (*)(forward_bpf*)> skeleton_;
    std::uint32_t next_service_ = 1, next_backend_ = 1, next_slot_ = 0;
    std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> slices_;  // service → offset, size
};

// Seconds as the programs count them (maps/control.h).
std::uint32_t tick_now();

}  // namespace shunt::test
