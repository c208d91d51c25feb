// SPDX-License-Identifier: Apache-2.0
#include "test/bpf/wire.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "recorder.skel.h"

namespace shunt::test {

namespace {

[[noreturn]] void give_up(const char* what) {
    std::perror(what);
    std::abort();
}

void check(bool done, const char* what) {
    if (!done) {
        give_up(what);
    }
}

// struct virtio_net_hdr of linux/virtio_net.h, which C++ cannot read: it has a field named class.
struct VirtioNetHeader {
    static constexpr std::uint8_t NEEDS_CHECKSUM = 1, TCPV4 = 1, TCPV6 = 4;

    std::uint8_t flags;
    std::uint8_t segmentation;
    std::uint16_t header_length, segment_size, checksum_start, checksum_offset;
};
static_assert(sizeof(VirtioNetHeader) == 10);

recorder_bpf* load() {
    recorder_bpf* recorder = recorder_bpf__open_and_load();
    check(recorder, "load recorder_bpf");
    return recorder;
}

bpf_tc_attach_point attach_point(Wire::Direction direction) {
    return direction == Wire::Direction::INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

// A frame is worked off where it was sent, before send(2) returns.
void stay_on_this_cpu() {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<std::size_t>(sched_getcpu()), &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);
}

}  // namespace

PacketSocket::PacketSocket(const Device& device, std::uint16_t ether_type)
    : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)), ifindex_(device.ifindex) {
    const int one = 1;
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ether_type);
    address.sll_ifindex = static_cast<int>(device.ifindex);
    check(static_cast<bool>(socket_), "AF_PACKET socket");
    check(!setsockopt(socket_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)), "PACKET_IGNORE_OUTGOING");
    check(!setsockopt(socket_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)), "PACKET_QDISC_BYPASS");
    check(!bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), "bind AF_PACKET");
}

int PacketSocket::send(std::span<const std::uint8_t> frame) const {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(ifindex_);
    return sendto(socket_.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                  sizeof(address)) < 0
               ? errno
               : 0;
}

int PacketSocket::send(std::span<const std::uint8_t> frame, const Offload& offload) const {
    const std::uint8_t segmentation = frame[12] == 0x08 ? VirtioNetHeader::TCPV4 : VirtioNetHeader::TCPV6;
    const VirtioNetHeader header{.flags = VirtioNetHeader::NEEDS_CHECKSUM,
                                 .segmentation = offload.segment_size ? segmentation : std::uint8_t{0},
                                 .header_length = offload.l4_offset,
                                 .segment_size = offload.segment_size,
                                 .checksum_start = offload.l4_offset,
                                 .checksum_offset = offload.checksum_offset};
    packet::Bytes bytes(sizeof(header));
    std::memcpy(bytes.data(), &header, sizeof(header));
    bytes.insert(bytes.end(), frame.begin(), frame.end());
    int on = 1;
    check(!setsockopt(socket_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), "PACKET_VNET_HDR");
    const int error = send(bytes);
    on = 0;
    check(!setsockopt(socket_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), "PACKET_VNET_HDR");
    return error;
}

int PacketSocket::send_in_fragments(std::span<const std::uint8_t> frame) const {
    // A ring of one frame: the kernel takes the page itself for what follows the Ethernet header.
    constexpr std::size_t SIZE = 4096, DATA = TPACKET_HDRLEN - sizeof(sockaddr_ll);
    const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    const tpacket_req ring{.tp_block_size = SIZE, .tp_block_nr = 1, .tp_frame_size = SIZE, .tp_frame_nr = 1};
    check(!setsockopt(socket.get(), SOL_PACKET, PACKET_TX_RING, &ring, sizeof(ring)), "PACKET_TX_RING");
    void* page = mmap(nullptr, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, socket.get(), 0);
    check(page != MAP_FAILED, "map PACKET_TX_RING");
    auto* header = static_cast<tpacket_hdr*>(page);
    header->tp_len = static_cast<unsigned>(frame.size());
    std::copy(frame.begin(), frame.end(), static_cast<std::uint8_t*>(page) + DATA);
    header->tp_status = TP_STATUS_SEND_REQUEST;
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(ifindex_);
    const ssize_t sent =
        sendto(socket.get(), nullptr, 0, 0, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    const int error = sent < 0 ? errno : 0;
    munmap(page, SIZE);
    return error;
}

packet::Bytes PacketSocket::receive(int timeout_ms) const {
    pollfd poll_fd{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    packet::Bytes frame(4096);
    if (poll(&poll_fd, 1, timeout_ms) <= 0) {
        return {};
    }
    const ssize_t size = recv(socket_.get(), frame.data(), frame.size(), 0);
    frame.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return frame;
}

Wire::Wire(const Network& network)
    : sender_(network.uplink_peer, 0),
      uplink_ifindex_(network.uplink.ifindex),
      recorder_(load(), recorder_bpf__destroy) {
    void* map = mmap(nullptr, sizeof(recording), PROT_READ, MAP_SHARED, bpf_map__fd(recorder_->maps.recording), 0);
    check(map != MAP_FAILED, "map the recording");
    recording_ = static_cast<const volatile recording*>(map);
    stay_on_this_cpu();
}

Wire::~Wire() {
    for (const unsigned ifindex : xdp_devices_) {
        bpf_xdp_detach(static_cast<int>(ifindex), XDP_FLAGS_DRV_MODE, nullptr);
    }
    for (const TcFilter& filter : filters_) {
        LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(filter.ifindex),
                    .attach_point = attach_point(filter.direction));
        LIBBPF_OPTS(bpf_tc_opts, options, .handle = 1, .priority = filter.priority);
        bpf_tc_detach(&hook, &options);
    }
    munmap(const_cast<recording*>(recording_), sizeof(recording));
}

void Wire::attach_xdp(const Device& device, int program_fd) {
    check(!bpf_xdp_attach(static_cast<int>(device.ifindex), program_fd, XDP_FLAGS_DRV_MODE, nullptr), "attach XDP");
    xdp_devices_.push_back(device.ifindex);
}

void Wire::attach_tc(const Device& device, Direction direction, int program_fd, unsigned priority) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(device.ifindex),
                .attach_point = attach_point(direction));
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .handle = 1, .priority = priority);
    static const auto quiet = [](libbpf_print_level, const char*, va_list) { return 0; };
    const libbpf_print_fn_t print = libbpf_set_print(quiet);
    const int error = bpf_tc_hook_create(&hook);
    libbpf_set_print(print);
    check(!error || error == -EEXIST, "clsact");
    check(!bpf_tc_attach(&hook, &options), "attach tc");
    filters_.push_back({device.ifindex, direction, priority});
}

void Wire::mark_everything() {
    const int error = bpf_xdp_attach(static_cast<int>(uplink_ifindex_),
                                     bpf_program__fd(recorder_->progs.mark_everything), XDP_FLAGS_DRV_MODE, nullptr);
    check(!error, "attach XDP");
    xdp_devices_.push_back(uplink_ifindex_);
}

void Wire::record_behind_ingress() {
    attach_tc(Device{.ifindex = uplink_ifindex_}, Direction::INGRESS, bpf_program__fd(recorder_->progs.record_ingress),
              2);
}

void Wire::record_egress(const Device& device) {
    attach_tc(device, Direction::EGRESS, bpf_program__fd(recorder_->progs.record_egress));
}

std::optional<Wire::Record> Wire::recorded() {
    if (recording_->recorded == recorded_) {
        return std::nullopt;
    }
    recorded_ = recording_->recorded;
    const auto* bytes = const_cast<const std::uint8_t*>(recording_->bytes);
    const std::size_t length = std::min<std::size_t>(recording_->length, RECORDING_SIZE);
    return Record{.frame = packet::Bytes(bytes, bytes + length), .ifindex = recording_->ifindex};
}

}  // namespace shunt::test
