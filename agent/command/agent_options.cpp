// SPDX-License-Identifier: Apache-2.0
#include "agent/command/agent_options.h"

#include <boost/program_options/parsers.hpp>
#include <boost/program_options/variables_map.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "agent/network/reserved_ports.h"
#include "agent/report/pinned_maps.h"
#include "agent/support/number.h"

namespace shunt {
namespace {

namespace po = boost::program_options;
using Failure = std::unexpected<std::string>;

// The range is made of whole blocks, so that a port can carry its flow's place in the table.
constexpr unsigned kPortBlock = 128;
constexpr std::uint32_t kMaxFlowsMin = 1024;
constexpr std::uint32_t kMaxFlowsMax = 1U << 24;

// With --replace they are kube-proxy's. Beside kube-proxy they are not: its answers must not be taken for shunt's.
constexpr const char* kHealthz[] = {"0.0.0.0:10356", "0.0.0.0:10256"};
constexpr const char* kMetrics[] = {"127.0.0.1:10349", "127.0.0.1:10249"};

po::options_description settings() {
    po::options_description options("options", 110);
    const auto text = [](const char* value_name) { return po::value<std::string>()->value_name(value_name); };
    options.add_options()("manifests", text("DIR"), "Services, EndpointSlices and Nodes as .yaml or .json; watched; default: the API server")(
        "kubeconfig", text("FILE"), "how to reach the API server; default: the pod's service account")(
        "api-server", text("URL"), "instead of the server that the kubeconfig or the service account names")(
        "node-name", text("NAME"), "this node's Node object; default: $NODE_NAME, else the host name")(
        "device", po::value<std::vector<std::string>>()->value_name("IF[,IF]"),
        "external devices; default: with a node address, a default route in any table, and tunnels")(
        "nodeport-addresses", text("primary|all|CIDR[,CIDR]"),
        "where NodePorts are served: at the Node's InternalIPs (the default), at every address of the node's devices, or at those in a CIDR")(
        "cluster-cidr", text("CIDR[,CIDR]"),
        "where pods have their addresses: traffic from there falls back to all endpoints under externalTrafficPolicy Local")(
        "mode", text("auto|xdp|tc"), "default: auto, native XDP where it works")(
        "xdp-chain", po::bool_switch(), "attach XDP through libxdp, so that others can join, even where the device is free")(
        "snat-ports", text("LOW-HIGH"), "source ports towards backends on other nodes; default: 10240-26623")(
        "max-flows", text("N"), "per address family, for maps made now; default: by memory and cgroup limit")(
        "beside", po::bool_switch(), "beside kube-proxy, which keeps the ClusterIPs and its ports; the default")(
        "replace", po::bool_switch(),
        "in the place of kube-proxy: its health and metrics ports and healthCheckNodePorts. ClusterIPs are not served yet")(
        "healthz-bind-address", text("ADDRESS:PORT"), "of /healthz and /livez, or none; default: 0.0.0.0:10356, with --replace :10256")(
        "metrics-bind-address", text("ADDRESS:PORT"), "of /metrics, or none; default: 127.0.0.1:10349, with --replace :10249")(
        "log-level", text("LEVEL"), "debug, info, warn or error; default: info")(
        "log-format", text("text|json"), "default: text")(
        "pin-dir", text("DIR"), "where maps, programs and links are pinned; default: /sys/fs/bpf/shunt");
    return options;
}

std::optional<std::string> read_config(const std::string& path, po::variables_map& values) {
    std::ifstream file(path);
    if (!file) {
        return "--config " + path + ": " + std::strerror(errno);
    }
    const po::options_description known = settings();
    try {
        po::store(po::parse_config_file(file, known), values);
    } catch (const po::unknown_option& error) {
        return path + ": unknown key '" + error.get_option_name() + "'; the keys are the options without dashes";
    } catch (const po::error& error) {
        return path + ": " + error.what();
    }
    return std::nullopt;
}

std::string trimmed(const std::string& text) {
    const auto begin = text.find_first_not_of(" \t");
    return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::optional<std::string> set_snat_ports(const std::string& text, AgentOptions& options) {
    const std::string about = "--snat-ports " + text + ": ";
    const auto dash = text.find('-');
    const auto low = parse_number<unsigned>(std::string_view(text).substr(0, dash));
    const auto high = dash == std::string::npos ? std::nullopt : parse_number<unsigned>(std::string_view(text).substr(dash + 1));
    if (!low || !high) {
        return about + "it is LOW-HIGH, like 10240-26623";
    }
    if (*low > *high || *high > 65535 || *low == 0) {
        return about + "ports go from 1 to 65535, the lower one first";
    }
    const unsigned size = *high - *low + 1;
    if (*low % kPortBlock != 0 || size % kPortBlock != 0) {
        const unsigned base = (*low + kPortBlock - 1) / kPortBlock * kPortBlock;
        const unsigned blocks = std::max(1U, (*high + 1 - std::min(base, *high)) / kPortBlock);
        return about + "LOW and the number of ports must be multiples of 128, like " + std::to_string(base) + '-' +
               std::to_string(base + blocks * kPortBlock - 1);
    }
    const PortRange range{static_cast<std::uint16_t>(*low), static_cast<std::uint16_t>(*high)};
    if (overlap(range, kNodePorts)) {
        return about + "it overlaps the NodePort range " + text_of(kNodePorts);
    }
    options.snat_port_min = range.low;
    options.snat_port_max = range.high;
    return std::nullopt;
}

// `wanted`: what else the option takes, for the error.
std::optional<std::string> set_prefixes(const char* option, const std::string& list, const char* wanted,
                                        std::vector<IpPrefix>& to) {
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t comma = std::min(list.find(',', begin), list.size());
        const std::string text = trimmed(list.substr(begin, comma - begin));
        const auto prefix = IpPrefix::parse(text);
        if (!prefix) {
            return "--" + std::string(option) + ' ' + list + ": '" + text + "' is " + wanted +
                   "no CIDR like 198.18.0.0/24 or 2001:db8::/32";
        }
        to.push_back(*prefix);
        begin = comma + 1;
    }
    return std::nullopt;
}

std::optional<std::string> set_node_port_addresses(const std::string& text, NodePortAddresses& to) {
    if (text == "primary" || text == "all") {
        to.kind = text == "all" ? NodePortAddresses::Kind::all : NodePortAddresses::Kind::primary;
        return std::nullopt;
    }
    to.kind = NodePortAddresses::Kind::prefixes;
    return set_prefixes("nodeport-addresses", text, "neither primary nor all, and ", to.prefixes);
}

std::optional<std::string> set_bind_address(const char* option, const std::string& text, std::optional<AddressPort>& to) {
    if (text.empty() || text == "none") {
        return std::nullopt;
    }
    to = parse_address_port(text);
    if (!to || to->port == 0) {
        return "--" + std::string(option) + ' ' + text + ": it is ADDRESS:PORT, like 127.0.0.1:10349 or [::1]:10349, or none";
    }
    return std::nullopt;
}

std::string default_node_name() {
    const char* name = std::getenv("NODE_NAME");
    if (name != nullptr && *name != '\0') {
        return name;
    }
    char host[256] = {};
    return gethostname(host, sizeof(host) - 1) == 0 ? host : "";
}

// What is wrong, if something is.
std::optional<std::string> take_values(const po::variables_map& values, AgentOptions& options) {
    const auto text = [&](const char* key, const std::string& otherwise) {
        return values.count(key) != 0 ? values[key].as<std::string>() : otherwise;
    };
    options.manifests = text("manifests", "");
    options.kubeconfig = text("kubeconfig", "");
    options.api_server = text("api-server", "");
    const bool asks_api = !options.kubeconfig.empty() || !options.api_server.empty();
    if (!options.manifests.empty() && asks_api) {
        return "--manifests is a source of its own: give it, or --kubeconfig and --api-server";
    }
    if (options.manifests.empty() && !asks_api && std::getenv("KUBERNETES_SERVICE_HOST") == nullptr) {
        return "--manifests DIR or --kubeconfig FILE is needed: this is no pod, so there is no service account";
    }
    options.node_name = text("node-name", default_node_name());
    if (options.node_name.empty()) {
        return "--node-name NAME is needed: neither $NODE_NAME nor the host name says it";
    }
    options.pin_dir = text("pin-dir", kDefaultPinDir);
    while (options.pin_dir.size() > 1 && options.pin_dir.ends_with('/')) {
        options.pin_dir.pop_back();
    }
    if (auto wrong = set_node_port_addresses(text("nodeport-addresses", "primary"), options.node_port_addresses)) {
        return wrong;
    }
    if (values.count("cluster-cidr") != 0) {
        if (auto wrong = set_prefixes("cluster-cidr", text("cluster-cidr", ""), "", options.cluster_ranges)) {
            return wrong;
        }
    }
    const std::string mode = text("mode", "auto");
    if (mode != "auto" && mode != "xdp" && mode != "tc") {
        return "--mode " + mode + ": it is auto, xdp or tc";
    }
    options.mode = mode == "xdp" ? AttachMode::xdp : mode == "tc" ? AttachMode::tc : AttachMode::automatic;
    options.xdp_chain = values["xdp-chain"].as<bool>();
    if (options.xdp_chain && options.mode == AttachMode::tc) {
        return "--xdp-chain is about XDP, which --mode tc leaves out: give one of them";
    }
    options.log_level = text("log-level", "info");
    if (constexpr std::array levels = {"debug", "info", "warn", "error"};
        std::ranges::find(levels, options.log_level) == levels.end()) {
        return "--log-level " + options.log_level + ": it is debug, info, warn or error";
    }
    const std::string format = text("log-format", "text");
    if (format != "text" && format != "json") {
        return "--log-format " + format + ": it is text or json";
    }
    options.log_json = format == "json";
    if (values.count("max-flows") != 0) {
        options.max_flows = parse_number<std::uint32_t>(text("max-flows", ""));
        if (!options.max_flows || *options.max_flows < kMaxFlowsMin || *options.max_flows > kMaxFlowsMax) {
            return "--max-flows " + text("max-flows", "") + ": it is a number from 1024 to 16777216";
        }
    }
    options.replace = values["replace"].as<bool>();
    if (options.replace && values["beside"].as<bool>()) {
        return "--beside and --replace: give one of them";
    }
    if (auto wrong = set_bind_address("healthz-bind-address", text("healthz-bind-address", kHealthz[options.replace]),
                                      options.healthz)) {
        return wrong;
    }
    if (auto wrong = set_bind_address("metrics-bind-address", text("metrics-bind-address", kMetrics[options.replace]),
                                      options.metrics)) {
        return wrong;
    }
    if (values.count("device") != 0) {
        auto names = device_names(values["device"].as<std::vector<std::string>>());
        if (!names) {
            return names.error();
        }
        options.devices = std::move(*names);
    }
    return values.count("snat-ports") != 0 ? set_snat_ports(text("snat-ports", ""), options) : std::nullopt;
}

}  // namespace

std::expected<std::vector<std::string>, std::string> device_names(const std::vector<std::string>& lists) {
    std::vector<std::string> names;
    for (const std::string& list : lists) {
        for (std::size_t begin = 0; begin <= list.size();) {
            const std::size_t comma = std::min(list.find(',', begin), list.size());
            const std::string name = trimmed(list.substr(begin, comma - begin));
            if (name.empty()) {
                return Failure("--device " + list + ": an empty name");
            }
            if (std::ranges::find(names, name) == names.end()) {
                names.push_back(name);
            }
            begin = comma + 1;
        }
    }
    return names;
}

po::options_description agent_option_descriptions() {
    po::options_description options = settings();
    options.add_options()("config", po::value<std::string>()->value_name("FILE"),
                          "any of these as key = value lines; the command line wins")("help,h", "this help");
    return options;
}

std::expected<AgentOptions, std::string> parse_agent_options(const std::vector<std::string>& arguments) {
    const po::options_description known = agent_option_descriptions();
    po::variables_map values;
    try {
        const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
        // Arguments without a dash are refused: they would be taken for nothing.
        po::store(po::command_line_parser(arguments).options(known).style(style).positional({}).run(), values);
    } catch (const po::error& error) {
        return Failure(error.what());
    }
    // The first value that is stored stays.
    if (values.count("config") != 0) {
        if (auto wrong = read_config(values["config"].as<std::string>(), values)) {
            return Failure(*wrong);
        }
    }
    AgentOptions options;
    if (auto wrong = take_values(values, options)) {
        return Failure(*wrong);
    }
    return options;
}

}  // namespace shunt
