// SPDX-License-Identifier: Apache-2.0
// Programs on real devices: frames are sent into the far end of the uplink's veth pair, and what becomes of them
// is recorded behind the program under test (recorder.bpf.c). For what the kernel's test run cannot show.
#pragma once

#include <linux/if_link.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "agent/support/fd.h"
#include "test/bpf/datapath.h"
#include "test/bpf/recording.h"

struct recorder_bpf;

namespace shunt::test {

// An AF_PACKET socket on a device.
class PacketSocket {
public:
    // Sees what the device receives; of `ether_type` only: behind its tc ingress; ETH_P_ALL: before it. 0: nothing.
    PacketSocket(const Device& device, std::uint16_t ether_type);

    // 0, or the errno that the kernel refused the frame with.
    int send(std::span<const std::uint8_t> frame) const;
    // The same with what a sender leaves to the device, as the kernel's own packets have it: the L4 checksum
    // (CHECKSUM_PARTIAL; its field holds the pseudo-header's sum) and, if `segment_size` says so, cutting TCP into
    // segments.
    struct Offload {
        std::uint16_t l4_offset;
        std::uint16_t checksum_offset;  // from there
        std::uint16_t segment_size = 0;
    };
    int send(std::span<const std::uint8_t> frame, const Offload& offload) const;
    // The same as many NICs' drivers build a packet: only the Ethernet header stands in the buffer's first part.
    int send_in_fragments(std::span<const std::uint8_t> frame) const;
    // The next frame within that time; none: empty.
    packet::Bytes receive(int timeout_ms) const;

private:
    Fd socket_;
    unsigned ifindex_;
};

class Wire {
public:
    explicit Wire(const Network& network);
    ~Wire();

    // Everything is detached when this object goes.
    void attach_xdp(const Device& device, int program_fd);
    enum class Direction { INGRESS, EGRESS };
    void attach_tc(const Device& device, Direction direction, int program_fd, unsigned priority = 1);

    void mark_everything();        // instead of an XDP program, on the uplink
    void record_behind_ingress();  // what the uplink's tc ingress passes on
    void record_egress(const Device& device);

    // Sends a frame towards the uplink and waits until it has been there; its errno if the kernel refuses it.
    int send(std::span<const std::uint8_t> frame) const { return sender_.send(frame); }
    int send(std::span<const std::uint8_t> frame, const PacketSocket::Offload& offload) const {
        return sender_.send(frame, offload);
    }
    int send_in_fragments(std::span<const std::uint8_t> frame) const { return sender_.send_in_fragments(frame); }

    struct Record {
        packet::Frame frame;
        unsigned ifindex = 0;
    };
    // What has been recorded since the last call; the newest, if it is more than one.
    std::optional<Record> recorded();

    // The map itself, for those in a hurry.
    const volatile recording& raw() const { return *recording_; }

private:
    struct TcFilter {
        unsigned ifindex;
        Direction direction;
        unsigned priority;
    };

    PacketSocket sender_;
    unsigned uplink_ifindex_;
    std::unique_ptr<recorder_bpf, void (*)(recorder_bpf*)> recorder_;
    const volatile recording* recording_;
    std::uint32_t recorded_ = 0;
    std::vector<unsigned> xdp_devices_;
    std::vector<TcFilter> filters_;
};

}  // namespace shunt::test
