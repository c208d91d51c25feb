// SPDX-License-Identifier: Apache-2.0
// `shunt services`: who is served by whom, and what is left to the stack.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "agent/command/options.h"
#include "agent/report/json_text.h"
#include "agent/report/service_view.h"
#include "agent/report/table.h"

namespace shunt {
namespace {

namespace json = boost::json;

constexpr CommandText kText{
    .name = "services",
    .synopsis = "[NAMESPACE/NAME[:PORT] | -n NAMESPACE [NAME[:PORT]]] [OPTIONS]",
    .about = "The Services of all namespaces, or one with its backends. What shunt does not serve is here, too, with the\n"
             "reason. -o wide takes half a second: it adds rates.",
    .example = "shunt services shop/orders-service",
};

constexpr std::chrono::milliseconds kSample{500};

// What was asked for; empty: any.
struct Wanted {
    std::string name_space;
    std::string name;
    std::string port;

    bool accepts(const ServiceRow& row) const {
        return (name_space.empty() || row.name_space == name_space) && (name.empty() || row.name == name) &&
               (port.empty() || std::to_string(row.port) == port || row.port_name == port);
    }
};

struct Rates {
    double flows = 0;
    double drops = 0;
};
using RatesByTitle = std::map<std::string, Rates>;

void print_table(const std::vector<ServiceRow>& rows, const RatesByTitle* rates, std::ostream& out) {
    std::vector<std::string> titles = {"NAMESPACE", "SERVICE", "TYPE", "FRONTENDS", "POLICY", "READY", ">FLOWS", ">OPENED", ">DROPS"};
    if (rates != nullptr) {
        titles.insert(titles.end(),
                      {">NEW/S", ">DROPS/S", ">RESCUED", ">SKIPPED", "AFFINITY", "SOURCE-RANGES", "PORT-NAME"});
    }
    titles.push_back("NOTE");
    Table table(titles);
    for (const ServiceRow& row : rows) {
        std::vector<std::string> cells = {row.name_space,
                                          row.title().substr(row.name_space.size() + 1),
                                          std::string(word(row.type)),
                                          row.frontends_text(),
                                          row.policy(),
                                          row.ready_text(),
                                          grouped(row.flows),
                                          grouped(row.flows_opened),
                                          grouped(row.drops)};
        if (rates != nullptr) {
            const Rates& rate = rates->at(row.title());
            cells.insert(cells.end(),
                         {grouped(std::llround(rate.flows)), grouped(std::llround(rate.drops)), grouped(row.rescued),
                          grouped(row.skipped), row.affinity_text(), row.ranges_text(), row.port_name});
        }
        cells.push_back(row.note());
        table.add(cells);
    }
    table.print(out);
}

// "*:32001 (198.18.0.21, 2001:db8::21)", "192.0.2.10:8080"
std::string frontends_in_full(const ServiceRow& row) {
    std::string text;
    std::string node_addresses;
    for (const FrontendRow& frontend : row.frontends) {
        if (frontend.kind == FRONTEND_NODE_PORT) {
            node_addresses += (node_addresses.empty() ? "" : ", ") + frontend.at.address.to_string();
        } else {
            text += (text.empty() ? "" : "   ") + frontend.at.to_string();
        }
    }
    if (!node_addresses.empty()) {
        text += (text.empty() ? "" : "   ") + ("*:" + std::to_string(row.node_port)) + " (" + node_addresses + ')';
    }
    return text.empty() ? "none" : text;
}

std::string where(const BackendRow& backend) {
    return backend.placement == BACKEND_LOCAL ? "here" : backend.node.empty() ? "unknown" : backend.node;
}

void print_detail(const ServiceRow& row, std::ostream& out) {
    const std::string protocol = '/' + std::string(word(row.protocol));
    const std::string policy = row.policy();
    out << row.full_name() << ':' << row.port << protocol << (row.port_name.empty() ? "" : " (" + row.port_name + ")") << "   "
        << word(row.type) << (policy.empty() ? "" : "   externalTrafficPolicy " + policy)
        << (row.affinity_text().empty() ? "" : "   affinity " + row.affinity_text()) << "\nFrontends   "
        << frontends_in_full(row) << '\n';
    if (const std::string ranges = row.ranges_text(); !ranges.empty()) {
        out << "Clients     " << ranges << ", at load-balancer addresses\n";
    }
    out << "Flows       " << grouped(row.flows) << " now, " << grouped(row.flows_opened) << " opened, " << grouped(row.drops)
        << " drops";
    if (row.rescued != 0 || row.skipped != 0) {
        out << ", " << grouped(row.rescued) << " rescued (the SYN was sent again and went to another backend), "
            << grouped(row.skipped) << " passed over a backend that does not answer";
    }
    out << '\n';
    if (const std::string note = row.note(); !note.empty()) {
        out << "Note        " << note << '\n';
    }
    if (row.backends.empty()) {
        out << "Backends    none\n";
        return;
    }
    Table table({"BACKEND", "NODE", "STATE", ">SHARE", ">FLOWS", "NOTE"});
    for (const BackendRow& backend : row.backends) {
        const std::string share =
            backend.share > 0 ? std::to_string(std::lround(backend.share * 100)) + '%' : std::string();
        table.add({backend.at.to_string(), where(backend), std::string(word(backend.state)), share, grouped(backend.flows),
                   row.is_served() ? backend.note : ""});
    }
    table.print(out);
}

json::object to_json(const ServiceRow& row) {
    json::array families;
    for (const FamilyRow& family : row.families) {
        families.push_back({{"family", word(family.family)}, {"id", family.id}, {"served", family.treatment == SERVED},
                            {"ready", family.ready}, {"usable", family.usable}, {"local", family.local},
                            {"backends", family.total}});
    }
    json::array frontends;
    for (const FrontendRow& frontend : row.frontends) {
        frontends.push_back({{"kind", word(frontend.kind)}, {"address", frontend.at.address.to_string()},
                             {"port", frontend.at.port}});
    }
    json::array backends;
    for (const BackendRow& backend : row.backends) {
        backends.push_back({{"address", backend.at.address.to_string()}, {"port", backend.at.port},
                            {"node", backend.node}, {"here", backend.placement == BACKEND_LOCAL},
                            {"state", word(backend.state)}, {"usable", backend.is_usable}, {"share", backend.share},
                            {"flows", backend.flows},
                            {"note", backend.note}});
    }
    json::value ranges;  // null: everybody may come
    if (row.has_source_ranges) {
        ranges = json::array(row.source_ranges.begin(), row.source_ranges.end());
    }
    return {{"namespace", row.name_space}, {"name", row.name}, {"port", row.port}, {"portName", row.port_name},
            {"protocol", word(row.protocol)}, {"type", word(row.type)}, {"nodePort", row.node_port},
            {"externalTrafficPolicy", row.policy()}, {"affinityTimeoutSeconds", row.affinity_timeout_s},
            {"sourceRanges", ranges}, {"rescued", row.rescued}, {"skipped", row.skipped}, {"note", row.note()}, {"flows", row.flows},
            {"flowsOpened", row.flows_opened}, {"drops", row.drops}, {"families", families}, {"frontends", frontends},
            {"backends", backends}};
}

Result<RatesByTitle> sample_rates(const PinnedMaps& maps, const std::vector<ServiceRow>& rows) {
    const auto before = maps.service_counts();
    std::this_thread::sleep_for(kSample);
    const auto after = maps.service_counts();
    if (!before || !after) {
        return std::unexpected(before ? after.error() : before.error());
    }
    const double seconds = std::chrono::duration<double>(kSample).count();
    RatesByTitle rates;
    for (const ServiceRow& row : rows) {
        Rates& rate = rates[row.title()];
        for (const FamilyRow& family : row.families) {
            const auto old = before->find(family.id);
            const auto now = after->find(family.id);
            if (old != before->end() && now != after->end()) {
                rate.flows += static_cast<double>(now->second.flows_opened - old->second.flows_opened) / seconds;
                rate.drops += static_cast<double>(now->second.drops - old->second.drops) / seconds;
            }
        }
    }
    return rates;
}

int no_such(const Wanted& wanted, const Output& output) {
    const std::string name = (wanted.name_space.empty() ? "" : wanted.name_space + '/') + wanted.name +
                             (wanted.port.empty() ? "" : ':' + wanted.port);
    output.error << "shunt services: there is no Service " << name
                 << " in the maps: is it in the manifests, with a ClusterIP? (shunt services lists all, shunt status says "
                    "what is broken)\n";
    return kExitFailed;
}

}  // namespace

int services_command(const Arguments& arguments, const Output& output) {
    CommandOptions options(kText);
    options.add_format();
    options.add_positional("service");
    options.options().add_options()("namespace,n", boost::program_options::value<std::string>()->value_name("NAMESPACE"),
                                    "only this namespace")("all-namespaces,A", "all namespaces; the default");
    if (auto over = options.parse(arguments, output)) {
        return *over;
    }
    Wanted wanted;
    if (options.has("namespace")) {
        wanted.name_space = options.get<std::string>("namespace");
    }
    if (options.has("service")) {
        std::string name = options.get<std::string>("service");
        if (const auto slash = name.find('/'); slash != std::string::npos) {
            if (!wanted.name_space.empty() && wanted.name_space != name.substr(0, slash)) {
                return options.usage_error("-n " + wanted.name_space + " and " + name + " name two namespaces", output);
            }
            wanted.name_space = name.substr(0, slash);
            name.erase(0, slash + 1);
        } else if (wanted.name_space.empty() && !options.has("all-namespaces")) {
            return options.usage_error(name + ": name it NAMESPACE/NAME, or give -n NAMESPACE", output);
        }
        const auto colon = std::min(name.find(':'), name.size());
        wanted.port = colon < name.size() ? name.substr(colon + 1) : "";
        wanted.name = name.substr(0, colon);
    }
    const auto maps = PinnedMaps::open(options.pin_dir());
    if (!maps) {
        return fail(kText.name, maps.error(), output);
    }
    const auto read = read_service_maps(*maps);
    if (!read) {
        return fail(kText.name, read.error(), output);
    }
    std::vector<ServiceRow> rows = join_services(*read);
    std::erase_if(rows, [&](const ServiceRow& row) { return !wanted.accepts(row); });
    if (rows.empty() && !wanted.name.empty()) {
        return no_such(wanted, output);
    }
    if (options.format() == OutputFormat::json) {
        json::array services;
        for (const ServiceRow& row : rows) {
            services.push_back(to_json(row));
        }
        print_json(output.out, json::object{{"services", services}});
        return kExitDone;
    }
    if (!wanted.name.empty()) {
        for (std::size_t i = 0; i < rows.size(); i++) {
            output.out << (i == 0 ? "" : "\n");
            print_detail(rows[i], output.out);
        }
        return kExitDone;
    }
    if (rows.empty()) {
        output.out << "No Service" << (wanted.name_space.empty() ? "" : " in namespace " + wanted.name_space)
                   << ": shunt status says what the agent reads\n";
        return kExitDone;
    }
    RatesByTitle rates;
    if (options.format() == OutputFormat::wide) {
        auto sampled = sample_rates(*maps, rows);
        if (!sampled) {
            return fail(kText.name, sampled.error(), output);
        }
        rates = std::move(*sampled);
    }
    print_table(rows, options.format() == OutputFormat::wide ? &rates : nullptr, output.out);
    return kExitDone;
}

}  // namespace shunt
