// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace shunt {
namespace {

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

void add_process_metrics(MetricPage& page) {
    rusage used{};
    if (getrusage(RUSAGE_SELF, &used) == 0) {
        put(page.counter("process_cpu_seconds_total", "CPU time of the agent, user and system."),
            seconds(used.ru_utime) + seconds(used.ru_stime));
    }
    std::size_t pages = 0;
    std::size_t resident = 0;
    if (std::ifstream("/proc/self/statm") >> pages >> resident) {
        put(page.gauge("process_resident_memory_bytes",
                       "Resident memory of the agent, without its maps in the kernel."),
            static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    }
    std::error_code error;
    const std::filesystem::directory_iterator descriptors("/proc/self/fd", error);
    if (!error) {
        put(page.gauge("process_open_fds", "Descriptors that the agent has open."),
            static_cast<double>(std::distance(begin(descriptors), end(descriptors))));
    }
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        put(page.gauge("process_max_fds", "Descriptors that the agent may have open."),
            static_cast<double>(limit.rlim_cur));
    }
}

}  // namespace shunt
