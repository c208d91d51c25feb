// SPDX-License-Identifier: Apache-2.0
// Attaches the benchmark's own programs to devices of the namespace it runs in; they stay when it ends.
//   bench_attach end device=eth0 pin=DIR
//   bench_attach pass device=eth0
//   bench_attach stateless hook=xdp|tc in=eth0 in-dmac= in-smac= out=eth1 out-dmac= out-smac= frontend= frontend-port=
//                          backend= backend-port= node= client=
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/stat.h>

#include "test/bench/wire.h"  // the skeletons name its types

#include "ends.skel.h"
#include "stateless.skel.h"
#include "test/bench/arguments.h"

namespace shunt::bench {
namespace {

unsigned index_of(const std::string& device) {
    const unsigned index = if_nametoindex(device.c_str());
    check(index != 0, "device " + device);
    return index;
}

void attach(const std::string& device, const bpf_program* program) {
    check(
        bpf_xdp_attach(static_cast<int>(index_of(device)), bpf_program__fd(program), XDP_FLAGS_DRV_MODE, nullptr) == 0,
        "attach native XDP to " + device);
}

void attach_tc(const std::string& device, const bpf_program* program) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(index_of(device)), .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program));
    check(bpf_tc_hook_create(&hook) == 0, "make clsact of " + device);
    check(bpf_tc_attach(&hook, &options) == 0, "attach by tc to " + device);
}

void attach_end(const Arguments& arguments) {
    ends_bpf* ends = ends_bpf__open_and_load();
    check(ends != nullptr, "load ends");
    const std::string directory = arguments.text("pin");
    check(mkdir(directory.c_str(), 0700) == 0, "make " + directory);
    check(bpf_map__pin(ends->maps.settings, (directory + "/settings").c_str()) == 0, "pin settings");
    check(bpf_map__pin(ends->maps.counts, (directory + "/counts").c_str()) == 0, "pin counts");
    attach(arguments.text("device"), ends->progs.end);
    ends_bpf__destroy(ends);
}

void attach_stateless(const Arguments& arguments) {
    stateless_bpf* stateless = stateless_bpf__open();
    check(stateless != nullptr, "open stateless");
    const auto port = [&](const char* key) { return htons(static_cast<std::uint16_t>(arguments.number(key))); };
    translation& request = const_cast<translation&>(stateless->rodata->to_backend);
    request.match_daddr = arguments.address("frontend").words[0];
    request.match_port = port("frontend-port");
    request.saddr = arguments.address("node").words[0];
    request.daddr = arguments.address("backend").words[0];
    request.new_port = port("backend-port");
    request.ifindex = index_of(arguments.text("out"));
    arguments.mac("out-dmac", request.macs);
    arguments.mac("out-smac", request.macs + 6);
    translation& reply = const_cast<translation&>(stateless->rodata->to_client);
    reply.match_saddr = request.daddr;
    reply.match_port = request.new_port;
    reply.saddr = request.match_daddr;
    reply.daddr = arguments.address("client").words[0];
    reply.new_port = request.match_port;
    reply.ifindex = index_of(arguments.text("in"));
    arguments.mac("in-dmac", reply.macs);
    arguments.mac("in-smac", reply.macs + 6);
    check(stateless_bpf__load(stateless) == 0, "load stateless");
    if (arguments.text("hook") == "tc") {
        attach_tc(arguments.text("in"), stateless->progs.tc_request);
        attach_tc(arguments.text("out"), stateless->progs.tc_reply);
    } else {
        attach(arguments.text("in"), stateless->progs.xdp_request);
        attach(arguments.text("out"), stateless->progs.xdp_reply);
    }
    stateless_bpf__destroy(stateless);
}

void attach_pass(const Arguments& arguments) {
    stateless_bpf* stateless = stateless_bpf__open_and_load();
    check(stateless != nullptr, "load stateless");
    attach(arguments.text("device"), stateless->progs.pass);
    stateless_bpf__destroy(stateless);
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
    using namespace shunt::bench;
    const std::string what = argc > 1 ? argv[1] : "";
    const Arguments arguments(argc, argv, 2);
    if (what == "end") {
        attach_end(arguments);
    } else if (what == "stateless") {
        attach_stateless(arguments);
    } else if (what == "pass") {
        attach_pass(arguments);
    } else {
        give_up("usage: bench_attach end|stateless|pass KEY=VALUE...");
    }
}
