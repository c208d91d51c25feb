// SPDX-License-Identifier: Apache-2.0
// `shunt flows`: the connections and conversations of this node.
#include <optional>

#include "agent/command/options.h"
#include "agent/report/flow_view.h"
#include "agent/report/json_text.h"
#include "agent/report/service_view.h"
#include "agent/report/status_view.h"
#include "agent/report/table.h"
#include "agent/support/clock.h"
#include "agent/support/number.h"

namespace shunt {
namespace {

namespace json = boost::json;

constexpr CommandText kText{
    .name = "flows",
    .synopsis = "[FILTERS] [OPTIONS]",
    .about = "Live flows, one a line. SNAT: the address that a backend on another node sees in place of the client's.",
    .example = "shunt flows --client 198.51.100.7 --service shop/orders-service",
};

std::optional<std::uint16_t> port_number(std::string_view text) {
    const auto port = parse_number<std::uint16_t>(text);
    return port != std::uint16_t{0} ? port : std::nullopt;
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80"
bool parse_backend(const std::string& text, FlowFilter& filter) {
    std::string address = text;
    if (!IpAddress::parse(text)) {
        const auto colon = text.rfind(':');
        if (colon == std::string::npos || !(filter.backend_port = port_number(text.substr(colon + 1)))) {
            return false;
        }
        address = text.substr(0, colon);
        if (address.starts_with('[') && address.ends_with(']')) {
            address = address.substr(1, address.size() - 2);
        }
    }
    filter.backend = IpAddress::parse(address);
    return filter.backend.has_value();
}

// The ids of "NAMESPACE/NAME[:PORT]", all families.
std::set<std::uint32_t> service_ids(const std::vector<ServiceRow>& rows, const std::string& text) {
    std::set<std::uint32_t> ids;
    for (const ServiceRow& row : rows) {
        if (text == row.full_name() || text == row.full_name() + ':' + std::to_string(row.port) || text == row.title()) {
            for (const FamilyRow& family : row.families) {
                ids.insert(family.id);
            }
        }
    }
    return ids;
}

// What is wrong with the filters that need no map, if something is.
std::optional<std::string> parse_filters(const CommandOptions& options, FlowFilter& filter) {
    if (options.has("client") && !(filter.client = IpAddress::parse(options.get<std::string>("client")))) {
        return "--client " + options.get<std::string>("client") + ": an address";
    }
    if (options.has("backend") && !parse_backend(options.get<std::string>("backend"), filter)) {
        return "--backend " + options.get<std::string>("backend") + ": ADDRESS or ADDRESS:PORT";
    }
    if (options.has("proto")) {
        const auto& name = options.get<std::string>("proto");
        if (name != "tcp" && name != "udp" && name != "TCP" && name != "UDP") {
            return "--proto " + name + ": tcp or udp";
        }
        filter.protocol = name == "tcp" || name == "TCP" ? TCP : UDP;
    }
    return std::nullopt;
}

void print_table(const std::vector<FlowRow>& flows, const std::map<std::uint32_t, std::string>& names, bool wide,
                 std::ostream& out) {
    std::vector<std::string> titles = {"PROTO", "CLIENT", "FRONTEND", "BACKEND", "SNAT", "KIND", "STATE", ">IDLE"};
    if (wide) {
        titles.push_back("SERVICE");
    }
    Table table(titles);
    for (const FlowRow& flow : flows) {
        std::vector<std::string> cells = {std::string(word(flow.protocol)),
                                          flow.client.to_string(),
                                          flow.frontend.to_string(),
                                          flow.backend.to_string(),
                                          flow.source ? flow.source->to_string() : "",
                                          flow.source ? "remote" : "local",
                                          std::string(word(flow.state)),
                                          duration(flow.idle_s)};
        if (wide) {
            const auto name = names.find(flow.service);
            cells.push_back(name == names.end() ? "(gone)" : name->second);
        }
        table.add(cells);
    }
    if (table.empty()) {
        out << "No flow.\n";
        return;
    }
    table.print(out);
}

json::value to_json(const std::vector<FlowRow>& flows, const std::map<std::uint32_t, std::string>& names) {
    const auto at = [](const AddressPort& end) {
        return json::object{{"address", end.address.to_string()}, {"port", end.port}};
    };
    json::array rows;
    for (const FlowRow& flow : flows) {
        const auto name = names.find(flow.service);
        rows.push_back({{"protocol", word(flow.protocol)},
                        {"client", at(flow.client)},
                        {"frontend", at(flow.frontend)},
                        {"backend", at(flow.backend)},
                        {"snat", flow.source ? json::value(at(*flow.source)) : json::value(nullptr)},
                        {"kind", flow.source ? "remote" : "local"},
                        {"state", word(flow.state)},
                        {"idleSeconds", flow.idle_s},
                        {"service", name == names.end() ? json::value(nullptr) : json::value(name->second)}});
    }
    return json::object{{"flows", rows}};
}

}  // namespace

int flows_command(const Arguments& arguments, const Output& output) {
    namespace po = boost::program_options;
    CommandOptions options(kText);
    options.add_format();
    options.options().add_options()("client", po::value<std::string>()->value_name("ADDRESS"), "from this client")(
        "service", po::value<std::string>()->value_name("NAMESPACE/NAME[:PORT]"), "of this Service")(
        "backend", po::value<std::string>()->value_name("ADDRESS[:PORT]"), "to this backend")(
        "proto", po::value<std::string>()->value_name("tcp|udp"), "of this protocol");
    if (auto over = options.parse(arguments, output)) {
        return *over;
    }
    FlowFilter filter;
    if (auto wrong = parse_filters(options, filter)) {
        return options.usage_error(*wrong, output);
    }
    const auto maps = PinnedMaps::open(options.pin_dir());
    if (!maps) {
        return fail(kText.name, maps.error(), output);
    }
    const auto services = maps->services();
    if (!services) {
        return fail(kText.name, services.error(), output);
    }
    const std::vector<ServiceRow> rows = join_services({.services = *services, .backends = {}, .frontends = {}, .counts = {}, .flows = {}});
    std::map<std::uint32_t, std::string> names;
    for (const ServiceRow& row : rows) {
        for (const FamilyRow& family : row.families) {
            names[family.id] = row.title();
        }
    }
    if (options.has("service")) {
        filter.services = service_ids(rows, options.get<std::string>("service"));
        if (filter.services->empty()) {
            output.error << "shunt flows: there is no Service " << options.get<std::string>("service")
                         << " in the maps (shunt services lists all; name it NAMESPACE/NAME)\n";
            return kExitFailed;
        }
    }
    const auto flows = read_flows(*maps, filter, monotonic_ns());
    if (!flows) {
        return fail(kText.name, flows.error(), output);
    }
    if (options.format() == OutputFormat::json) {
        print_json(output.out, to_json(*flows, names));
    } else {
        print_table(*flows, names, options.format() == OutputFormat::wide, output.out);
    }
    return kExitDone;
}

}  // namespace shunt
