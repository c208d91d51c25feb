// SPDX-License-Identifier: Apache-2.0
// `shunt counters`: what happened to packets and flows, by name, with what to do about it.
#include <chrono>
#include <optional>
#include <thread>

#include "agent/command/options.h"
#include "agent/report/events.h"
#include "agent/report/json_text.h"
#include "agent/report/service_view.h"
#include "agent/report/table.h"

namespace shunt {
namespace {

namespace json = boost::json;

constexpr CommandText kText{
    .name = "counters",
    .synopsis = "[--service] [-w [SECONDS]] [OPTIONS]",
    .about = "Events and drops by reason since the maps were made; those that are zero are left out.",
    .example = "shunt counters -w 2",
};

struct Sample {
    std::array<std::uint64_t, EVENT_COUNT> events{};
    std::map<std::uint32_t, service_counters> services;
    std::chrono::steady_clock::time_point at;
};

Result<Sample> take_sample(const PinnedMaps& maps) {
    auto events = maps.events();
    auto services = maps.service_counts();
    if (!events || !services) {
        return std::unexpected(events ? services.error() : events.error());
    }
    return Sample{*events, std::move(*services), std::chrono::steady_clock::now()};
}

std::string rate(std::uint64_t now, std::uint64_t before, double seconds) {
    return per_second(static_cast<double>(now - before) / seconds);
}

double seconds_between(const Sample& before, const Sample& now) {
    return std::chrono::duration<double>(now.at - before.at).count();
}

std::string cause_and_step(const EventText& text) {
    std::string all(text.cause);
    if (!text.next_step.empty()) {
        all += (all.empty() ? "" : "; next: ") + std::string(text.next_step);
    }
    return all;
}

void print_events(const Sample& now, const Sample* before, bool all, bool wide, std::ostream& out) {
    std::vector<std::string> titles = {"KIND", "EVENT", ">COUNT"};
    if (before != nullptr) {
        titles.push_back(">RATE");
    }
    titles.push_back("MEANING");
    if (wide) {
        titles.push_back("USUAL CAUSE AND NEXT STEP");
    }
    Table table(titles);
    std::vector<const EventText*> explained;
    for (std::size_t i = 0; i < EVENT_COUNT; i++) {
        const EventText& text = event_texts()[i];
        if (now.events[i] == 0 && !all) {
            continue;
        }
        std::vector<std::string> cells = {std::string(word(text.kind)), std::string(text.name), grouped(now.events[i])};
        if (before != nullptr) {
            cells.push_back(rate(now.events[i], before->events[i], seconds_between(*before, now)));
        }
        cells.emplace_back(text.meaning);
        if (wide) {
            cells.push_back(cause_and_step(text));
        } else if ((text.kind == EVENT_PASSED || text.kind == EVENT_ANSWERED || text.kind == EVENT_DROPPED) &&
                   now.events[i] != 0) {
            explained.push_back(&text);
        }
        table.add(cells);
    }
    if (table.empty()) {
        out << "Nothing was counted so far (--all shows the zeros).\n";
        return;
    }
    table.print(out);
    for (const EventText* text : explained) {
        if (const std::string more = cause_and_step(*text); !more.empty()) {
            out << (text == explained.front() ? "\n" : "") << text->name << ": " << more << '\n';
        }
    }
}

void print_services(const std::vector<ServiceRow>& rows, const Sample& now, const Sample* before, bool all,
                    std::ostream& out) {
    std::vector<std::string> titles = {"SERVICE", ">FLOWS-OPENED", ">DROPS", ">RESCUED", ">SKIPPED"};
    if (before != nullptr) {
        titles.insert(titles.end(), {">NEW/S", ">DROPS/S"});
    }
    Table table(titles);
    for (const ServiceRow& row : rows) {
        service_counters sum{};
        service_counters old{};
        for (const FamilyRow& family : row.families) {
            const auto add = [&](const Sample& sample, service_counters& to) {
                if (const auto found = sample.services.find(family.id); found != sample.services.end()) {
                    to.flows_opened += found->second.flows_opened;
                    to.drops += found->second.drops;
                    to.rescued += found->second.rescued;
                    to.skipped += found->second.skipped;
                }
            };
            add(now, sum);
            if (before != nullptr) {
                add(*before, old);
            }
        }
        if (!all && sum.flows_opened == 0 && sum.drops == 0) {
            continue;
        }
        std::vector<std::string> cells = {row.title(), grouped(sum.flows_opened), grouped(sum.drops), grouped(sum.rescued),
                                          grouped(sum.skipped)};
        if (before != nullptr) {
            const double seconds = seconds_between(*before, now);
            cells.push_back(rate(sum.flows_opened, old.flows_opened, seconds));
            cells.push_back(rate(sum.drops, old.drops, seconds));
        }
        table.add(cells);
    }
    if (table.empty()) {
        out << "No Service had a flow so far (--all shows the zeros).\n";
        return;
    }
    table.print(out);
}

json::value to_json(const Sample& now, const Sample* before, const std::vector<ServiceRow>& rows, bool all) {
    json::array events;
    for (std::size_t i = 0; i < EVENT_COUNT; i++) {
        const EventText& text = event_texts()[i];
        if (now.events[i] == 0 && !all) {
            continue;
        }
        json::object event{{"kind", word(text.kind)}, {"name", text.name}, {"count", now.events[i]},
                           {"meaning", text.meaning}, {"cause", text.cause}, {"nextStep", text.next_step}};
        if (before != nullptr) {
            event["perSecond"] = static_cast<double>(now.events[i] - before->events[i]) / seconds_between(*before, now);
        }
        events.push_back(std::move(event));
    }
    json::array services;
    for (const ServiceRow& row : rows) {
        services.push_back({{"namespace", row.name_space}, {"name", row.name}, {"port", row.port},
                            {"protocol", word(row.protocol)}, {"flowsOpened", row.flows_opened}, {"drops", row.drops},
                            {"rescued", row.rescued}, {"skipped", row.skipped}});
    }
    return json::object{{"events", events}, {"services", services}};
}

}  // namespace

int counters_command(const Arguments& arguments, const Output& output) {
    CommandOptions options(kText);
    options.add_format();
    options.options().add_options()("all", "also what is zero")("service", "by Service: flows opened, drops, SYNs rescued, backends skipped");
    options.add_optional_number("watch", 'w', "1", "rates, again and again until interrupted");
    if (auto over = options.parse(arguments, output)) {
        return *over;
    }
    const bool watch = options.has("watch");
    const double seconds = watch ? options.get<double>("watch") : 0;
    if (watch && !(seconds >= 0.1 && seconds <= 3600)) {
        return options.usage_error("-w: from 0.1 to 3600 seconds", output);
    }
    const auto maps = PinnedMaps::open(options.pin_dir());
    if (!maps) {
        return fail(kText.name, maps.error(), output);
    }
    std::optional<Sample> before;
    while (true) {
        const auto now = take_sample(*maps);
        const auto services = maps->services();
        if (!now || !services) {
            return fail(kText.name, now ? services.error() : now.error(), output);
        }
        if (!watch || before) {
            const auto rows = join_services(
                {.services = *services, .backends = {}, .frontends = {}, .counts = now->services, .flows = {}, .local_slots = {},
                 .source_ranges = {}});
            const Sample* earlier = before ? &*before : nullptr;
            if (options.format() == OutputFormat::json) {
                print_json(output.out, to_json(*now, earlier, rows, options.has("all")));
            } else if (options.has("service")) {
                print_services(rows, *now, earlier, options.has("all"), output.out);
            } else {
                print_events(*now, earlier, options.has("all"), options.format() == OutputFormat::wide, output.out);
            }
            output.out << (watch ? "\n" : "") << std::flush;
        }
        if (!watch || !output.out) {
            return kExitDone;
        }
        before = *now;
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    }
}

}  // namespace shunt
