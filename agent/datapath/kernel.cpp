// SPDX-License-Identifier: Apache-2.0
#include "agent/datapath/kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/utsname.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "agent/support/log.h"

namespace shunt {
namespace {

constexpr std::uint32_t kFibLookupSource = 1U << 4;  // BPF_FIB_LOOKUP_SRC, Linux 6.7

bool kernel_is_at_least(int major, int minor) {
    utsname name{};
    int have_major = 0;
    int have_minor = 0;
    return uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &have_major, &have_minor) == 2 &&
           std::pair(have_major, have_minor) >= std::pair(major, minor);
}

int log_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
    return level == LIBBPF_DEBUG ? 0 : log_library_words(format, arguments);
}

}  // namespace

std::uint32_t fib_lookup_source_flag() { return kernel_is_at_least(6, 7) ? kFibLookupSource : 0; }

bool conntrack_answers_programs() {
    constexpr const char* kQuestion = "bpf_xdp_ct_lookup";
    const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
    if (!kernel) {
        return false;
    }
    if (btf__find_by_name_kind(kernel.get(), kQuestion, BTF_KIND_FUNC) > 0) {
        return true;
    }
    std::uint32_t id = 0;
    if (bpf_btf_get_next_id(0, &id) != 0) {
        return false;
    }
    const std::unique_ptr<btf, void (*)(btf*)> module(btf__load_module_btf("nf_conntrack", kernel.get()), btf__free);
    return module && btf__find_by_name_kind(module.get(), kQuestion, BTF_KIND_FUNC) > 0;
}

int log_library_words(const char* format, va_list arguments) {
    char text[1024];
    const int length = std::vsnprintf(text, sizeof(text), format, arguments);
    std::string line(text);
    while (!line.empty() && line.back() == '\n') {
        line.pop_back();
    }
    log::debug("{}", line);
    return length;
}

std::uint32_t xdp_program_on(int ifindex) {
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    return bpf_xdp_query(ifindex, 0, &query) == 0 ? query.prog_id : 0;
}

void send_libbpf_to_log() { libbpf_set_print(log_libbpf); }

}  // namespace shunt
