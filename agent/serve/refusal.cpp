// SPDX-License-Identifier: Apache-2.0
#include "agent/serve/refusal.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <utility>

#include "agent/serve/process_metrics.h"
#include "maps/control.h"

namespace shunt {

void add_build_metrics(MetricPage& page, bool abi_mismatch) {
    put(page.gauge("shunt_build_info", "1; the labels say which build this is, and which ABI its maps have."), 1,
        {{"version", SHUNT_VERSION}, {"abi", std::to_string(SHUNT_ABI)}});
    put(page.gauge("shunt_abi_mismatch", "1: the pinned maps are of another ABI, and the agent does not start."),
        abi_mismatch);
}

void serve_refusal(const ServeOptions& options, const std::string& reason, std::function<bool()> is_over) {
    boost::asio::io_context loop{1};
    boost::asio::signal_set signals(loop, SIGINT, SIGTERM);
    signals.async_wait([&](const boost::system::error_code&, int) { loop.stop(); });
    boost::asio::steady_timer second(loop);
    std::function<void()> wait = [&] {
        second.expires_after(std::chrono::seconds(1));
        second.async_wait([&](const boost::system::error_code& error) {
            if (!error) {
                is_over() ? loop.stop() : wait();
            }
        });
    };
    wait();
    std::vector<HttpListener> listeners;
    if (options.healthz) {
        listeners.emplace_back(loop, *options.healthz, "healthz",
                               [&](std::string_view) { return HttpResponse{.status = 503, .body = reason + '\n'}; });
    }
    if (options.metrics) {
        listeners.emplace_back(loop, *options.metrics, "metrics", [](std::string_view) {
            MetricPage page;
            add_build_metrics(page, true);
            add_process_metrics(page);
            return HttpResponse{.content_type = kMetricsContentType, .body = page.text()};
        });
    }
    loop.run();
}

}  // namespace shunt
