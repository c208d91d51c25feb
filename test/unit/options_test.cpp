// SPDX-License-Identifier: Apache-2.0
// The command line: what is understood, what is refused and in which words, exit codes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/command/agent_options.h"
#include "agent/command/command.h"

namespace shunt {
namespace {

AgentOptions parsed(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--manifests", "/m"});
    const auto options = parse_agent_options(arguments);
    EXPECT_TRUE(options) << options.error();
    return options.value_or(AgentOptions{});
}

std::string refused(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--manifests", "/m"});
    const auto options = parse_agent_options(arguments);
    EXPECT_FALSE(options);
    return options ? "" : options.error();
}

class ConfigFile {
public:
    explicit ConfigFile(const std::string& text)
        : path_(std::filesystem::temp_directory_path() / ("shunt-test-config-" + std::to_string(getpid()))) {
        std::ofstream(path_) << text;
    }
    ~ConfigFile() { std::filesystem::remove(path_); }
    std::string path() const { return path_; }

private:
    std::filesystem::path path_;
};

TEST(AgentOptions, Defaults) {
    const AgentOptions options = parsed({"--node-name", "node-a"});
    EXPECT_EQ(options.manifests, "/m");
    EXPECT_EQ(options.node_name, "node-a");
    EXPECT_EQ(options.devices, std::vector<std::string>());
    EXPECT_EQ(options.mode, AttachMode::automatic);
    EXPECT_EQ(options.snat_port_min, 10240);
    EXPECT_EQ(options.snat_port_max, 26623);
    EXPECT_EQ(options.max_flows, std::nullopt);
    EXPECT_EQ(options.pin_dir, "/sys/fs/bpf/shunt");
    EXPECT_EQ(options.log_level, "info");
    EXPECT_FALSE(options.log_json);
}

TEST(AgentOptions, PortsOfItsOwnBesideKubeProxyAndItsPortsInItsPlace) {
    const auto both = [](const AgentOptions& options) {
        return std::pair(options.healthz ? options.healthz->to_string() : "none",
                         options.metrics ? options.metrics->to_string() : "none");
    };
    using Pair = std::pair<std::string, std::string>;
    EXPECT_EQ(both(parsed({})), Pair("0.0.0.0:10356", "127.0.0.1:10349"));
    EXPECT_EQ(both(parsed({"--replace"})), Pair("0.0.0.0:10256", "127.0.0.1:10249"));
    EXPECT_EQ(both(parsed({"--healthz-bind-address", "[::]:1", "--metrics-bind-address=192.0.2.1:65535"})),
              Pair("[::]:1", "192.0.2.1:65535"));
    EXPECT_EQ(both(parsed({"--healthz-bind-address", "none", "--metrics-bind-address", "none"})), Pair("none", "none"));
    EXPECT_EQ(refused({"--replace", "--beside"}), "--beside and --replace: give one of them");
    for (const char* wrong : {"10356", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "[127.0.0.1]:80", "localhost:80"}) {
        EXPECT_EQ(refused({"--metrics-bind-address", wrong}),
                  "--metrics-bind-address " + std::string(wrong) +
                      ": it is ADDRESS:PORT, like 127.0.0.1:10349 or [::1]:10349, or none");
    }
}

TEST(AgentOptions, EverythingGiven) {
    const AgentOptions options =
        parsed({"--node-name=node-a", "--device", "eth0,eth1", "--device", "eth2", "--mode", "tc", "--snat-ports", "20480-20607",
                "--max-flows", "65536", "--pin-dir", "/sys/fs/bpf/other/", "--log-level", "debug", "--log-format", "json",
                "--nodeport-addresses", "primary", "--beside"});
    EXPECT_EQ(options.devices, (std::vector<std::string>{"eth0", "eth1", "eth2"}));
    EXPECT_EQ(options.mode, AttachMode::tc);
    EXPECT_EQ(options.snat_port_min, 20480);
    EXPECT_EQ(options.snat_port_max, 20607);
    EXPECT_EQ(options.max_flows, 65536U);
    EXPECT_EQ(options.pin_dir, "/sys/fs/bpf/other");
    EXPECT_EQ(options.log_level, "debug");
    EXPECT_TRUE(options.log_json);
}

TEST(AgentOptions, WhereNodePortsAreServedAndWherePodsAre) {
    EXPECT_EQ(parsed({}).node_port_addresses.to_string(), "primary");
    EXPECT_TRUE(parsed({}).cluster_ranges.empty());
    EXPECT_EQ(parsed({"--nodeport-addresses", "all"}).node_port_addresses.to_string(), "all");
    const AgentOptions options =
        parsed({"--nodeport-addresses", "198.18.0.0/24, 2001:db8::/32", "--cluster-cidr=198.19.0.0/16,2001:db8:1::/48"});
    EXPECT_EQ(options.node_port_addresses.to_string(), "198.18.0.0/24,2001:db8::/32");
    EXPECT_EQ(options.cluster_ranges, (std::vector{*IpPrefix::parse("198.19.0.0/16"), *IpPrefix::parse("2001:db8:1::/48")}));
}

TEST(AgentOptions, NodeNameComesFromTheEnvironmentBeforeTheHost) {
    setenv("NODE_NAME", "from-environment", 1);
    EXPECT_EQ(parsed({}).node_name, "from-environment");
    EXPECT_EQ(parsed({"--node-name", "given"}).node_name, "given");
    unsetenv("NODE_NAME");
    char host[256] = {};
    gethostname(host, sizeof(host) - 1);
    EXPECT_EQ(parsed({}).node_name, host);
}

TEST(AgentOptions, CommandLineWinsOverFile) {
    const ConfigFile file("# a comment\nnode-name = from-file\nmode = xdp\ndevice = eth7,eth8\nmax-flows = 2048\nbeside = true\n");
    const AgentOptions options = parsed({"--config", file.path(), "--mode", "tc", "--device", "eth0"});
    EXPECT_EQ(options.node_name, "from-file");
    EXPECT_EQ(options.mode, AttachMode::tc);
    EXPECT_EQ(options.devices, std::vector<std::string>{"eth0"});
    EXPECT_EQ(options.max_flows, 2048U);
}

TEST(AgentOptions, FileAloneIsEnough) {
    const ConfigFile file("manifests = /elsewhere\nnode-name = n\n");
    const auto options = parse_agent_options({"--config", file.path()});
    ASSERT_TRUE(options) << options.error();
    EXPECT_EQ(options->manifests, "/elsewhere");
}

TEST(AgentOptions, UnknownKeyNamesFileAndKey) {
    const ConfigFile file("moed = tc\n");
    const std::string error = refused({"--config", file.path()});
    EXPECT_NE(error.find(file.path()), std::string::npos) << error;
    EXPECT_NE(error.find("unknown key 'moed'"), std::string::npos) << error;
}

TEST(AgentOptions, MissingFileIsAnError) {
    EXPECT_EQ(refused({"--config", "/nowhere/shunt.conf"}), "--config /nowhere/shunt.conf: No such file or directory");
}

TEST(AgentOptions, ThereIsOneSource) {
    unsetenv("KUBERNETES_SERVICE_HOST");
    const auto none = parse_agent_options({"--node-name", "n"});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error(),
              "--manifests DIR or --kubeconfig FILE is needed: this is no pod, so there is no service account");
    const auto kubeconfig = parse_agent_options({"--kubeconfig", "/k"});
    ASSERT_TRUE(kubeconfig) << kubeconfig.error();
    EXPECT_EQ(kubeconfig->kubeconfig, "/k");
    const auto server = parse_agent_options({"--api-server=https://192.0.2.1:6443"});
    ASSERT_TRUE(server) << server.error();
    EXPECT_EQ(server->api_server, "https://192.0.2.1:6443");
    setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1", 1);
    EXPECT_TRUE(parse_agent_options({"--node-name", "n"}));
    unsetenv("KUBERNETES_SERVICE_HOST");
    EXPECT_EQ(refused({"--kubeconfig", "/k"}),
              "--manifests is a source of its own: give it, or --kubeconfig and --api-server");
}

TEST(AgentOptions, SnatPorts) {
    EXPECT_EQ(refused({"--snat-ports", "10240"}), "--snat-ports 10240: it is LOW-HIGH, like 10240-26623");
    EXPECT_EQ(refused({"--snat-ports", "1x-2"}), "--snat-ports 1x-2: it is LOW-HIGH, like 10240-26623");
    EXPECT_EQ(refused({"--snat-ports", "26623-10240"}),
              "--snat-ports 26623-10240: ports go from 1 to 65535, the lower one first");
    EXPECT_EQ(refused({"--snat-ports", "10240-65536"}),
              "--snat-ports 10240-65536: ports go from 1 to 65535, the lower one first");
    EXPECT_EQ(refused({"--snat-ports", "10240-10366"}),
              "--snat-ports 10240-10366: LOW and the number of ports must be multiples of 128, like 10240-10367");
    EXPECT_EQ(refused({"--snat-ports", "10000-20000"}),
              "--snat-ports 10000-20000: LOW and the number of ports must be multiples of 128, like 10112-19967");
    for (const char* clash : {"25600-30079", "29952-30079", "31232-31359", "32640-32767", "10240-65535"}) {
        EXPECT_EQ(refused({"--snat-ports", clash}),
                  std::string("--snat-ports ") + clash + ": it overlaps the NodePort range 30000-32767");
    }
    EXPECT_EQ(parsed({"--snat-ports", "32768-65535"}).snat_port_max, 65535);
    EXPECT_EQ(parsed({"--snat-ports", "128-255"}).snat_port_min, 128);
}

TEST(AgentOptions, WhatIsNotThereYetSaysSo) {
    EXPECT_EQ(refused({"--nodeport-addresses", "198.18.0.0/24,every"}),
              "--nodeport-addresses 198.18.0.0/24,every: 'every' is neither primary nor all, and no CIDR like 198.18.0.0/24 or "
              "2001:db8::/32");
    EXPECT_EQ(refused({"--nodeport-addresses", ""}),
              "--nodeport-addresses : '' is neither primary nor all, and no CIDR like 198.18.0.0/24 or 2001:db8::/32");
    EXPECT_EQ(refused({"--cluster-cidr", "198.19.0.0/16,198.19.0.1"}),
              "--cluster-cidr 198.19.0.0/16,198.19.0.1: '198.19.0.1' is no CIDR like 198.18.0.0/24 or 2001:db8::/32");
}

TEST(AgentOptions, XdpChainNeedsXdp) {
    EXPECT_FALSE(parsed({}).xdp_chain);
    EXPECT_TRUE(parsed({"--xdp-chain"}).xdp_chain);
    EXPECT_TRUE(parsed({"--xdp-chain", "--mode", "xdp"}).xdp_chain);
    EXPECT_EQ(refused({"--xdp-chain", "--mode", "tc"}),
              "--xdp-chain is about XDP, which --mode tc leaves out: give one of them");
    const ConfigFile file("xdp-chain = true\n");
    EXPECT_TRUE(parsed({"--config", file.path()}).xdp_chain);
}

TEST(AgentOptions, WrongValues) {
    EXPECT_EQ(refused({"--mode", "fast"}), "--mode fast: it is auto, xdp or tc");
    EXPECT_EQ(refused({"--log-level", "loud"}), "--log-level loud: it is debug, info, warn or error");
    EXPECT_EQ(refused({"--log-format", "xml"}), "--log-format xml: it is text or json");
    EXPECT_EQ(refused({"--max-flows", "many"}), "--max-flows many: it is a number from 1024 to 16777216");
    EXPECT_EQ(refused({"--max-flows", "1"}), "--max-flows 1: it is a number from 1024 to 16777216");
    EXPECT_EQ(refused({"--device", "eth0,,eth1"}), "--device eth0,,eth1: an empty name");
    EXPECT_NE(refused({"--no-such"}).find("--no-such"), std::string::npos);
    EXPECT_NE(refused({"stray"}), "");
    EXPECT_NE(refused({"--mode"}), "");
}

struct Outcome {
    int code;
    std::string out;
    std::string error;
};

constexpr Command kCommands[] = {
    {"agent", "a", agent_command},   {"status", "s", status_command},     {"services", "v", services_command},
    {"flows", "f", flows_command},   {"counters", "c", counters_command}, {"detach", "d", detach_command},
};

Outcome shunt_run(const Arguments& arguments) {
    std::ostringstream out;
    std::ostringstream error;
    const int code = dispatch(kCommands, arguments, {.out = out, .error = error});
    return {code, out.str(), error.str()};
}

TEST(CommandLine, HelpOfEachCommandHasUsageAndExample) {
    for (const Command& command : kCommands) {
        const std::string name(command.name);
        for (const Arguments& arguments : {Arguments{name, "--help"}, Arguments{"help", name}, Arguments{name, "-h"}}) {
            const Outcome outcome = shunt_run(arguments);
            EXPECT_EQ(outcome.code, 0) << name;
            EXPECT_TRUE(outcome.out.starts_with("usage: shunt " + name)) << outcome.out;
            EXPECT_NE(outcome.out.find("example: shunt " + name), std::string::npos) << outcome.out;
            EXPECT_NE(outcome.out.find("--pin-dir"), std::string::npos) << outcome.out;
            EXPECT_EQ(outcome.error, "");
        }
    }
}

TEST(CommandLine, OverviewListsTheCommands) {
    for (const Arguments& arguments : {Arguments{"--help"}, Arguments{"help"}, Arguments{"-h"}}) {
        const Outcome outcome = shunt_run(arguments);
        EXPECT_EQ(outcome.code, 0);
        EXPECT_NE(outcome.out.find("\n  services  v\n"), std::string::npos) << outcome.out;
    }
    const Outcome nothing = shunt_run({});
    EXPECT_EQ(nothing.code, 2);
    EXPECT_EQ(nothing.out, "");
    EXPECT_NE(nothing.error.find("usage: shunt COMMAND"), std::string::npos);
}

TEST(CommandLine, Version) {
    const Outcome outcome = shunt_run({"--version"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_TRUE(outcome.out.starts_with("shunt 0.")) << outcome.out;
}

TEST(CommandLine, UnknownCommands) {
    EXPECT_EQ(shunt_run({"stats"}).code, 2);
    EXPECT_EQ(shunt_run({"stats"}).error,
              "shunt: there is no command 'stats': did you mean 'status'? (shunt --help lists them)\n");
    EXPECT_EQ(shunt_run({"frobnicate"}).error, "shunt: there is no command 'frobnicate' (shunt --help lists them)\n");
    EXPECT_EQ(shunt_run({"help", "stats"}).code, 2);
    EXPECT_EQ(shunt_run({"explain"}).error, "shunt: explain is not available yet\n");
    EXPECT_EQ(shunt_run({"explain"}).code, 2);
}

TEST(CommandLine, WrongUsageIsExitCode2AndPrintsNothingToStandardOutput) {
    const Arguments wrong[] = {
        {"status", "--no-such-option"},
        {"status", "stray"},
        {"status", "-o", "yaml"},
        {"status", "--wait", "soon"},
        {"status", "--wait", "-1"},
        {"services", "no-namespace"},
        {"services", "-n", "a", "b/c"},
        {"services", "a/b", "c/d"},
        {"flows", "--client", "nobody"},
        {"flows", "--backend", "192.0.2.1:0"},
        {"flows", "--backend", "192.0.2.1:99999"},
        {"flows", "--proto", "sctp"},
        {"counters", "-w", "0"},
        {"counters", "-w", "x"},
        {"detach", "--purged"},
        {"agent"},
        {"agent", "--mode", "fast"},
    };
    for (const Arguments& arguments : wrong) {
        const Outcome outcome = shunt_run(arguments);
        EXPECT_EQ(outcome.code, 2) << arguments[0] << ' ' << arguments.back();
        EXPECT_EQ(outcome.out, "");
        EXPECT_TRUE(outcome.error.starts_with("shunt " + arguments[0] + ": ")) << outcome.error;
        EXPECT_NE(outcome.error.find("(shunt " + arguments[0] + " --help)"), std::string::npos) << outcome.error;
    }
}

TEST(CommandLine, NothingPinnedIsExitCode1WithTheNextStep) {
    for (const std::string command : {"status", "services", "flows", "counters"}) {
        const Outcome outcome = shunt_run({command, "--pin-dir", "/sys/fs/bpf/shunt-test-nowhere"});
        EXPECT_EQ(outcome.code, 1);
        EXPECT_EQ(outcome.out, "");
        if (geteuid() == 0) {
            EXPECT_EQ(outcome.error, "shunt " + command +
                                         ": read /sys/fs/bpf/shunt-test-nowhere: nothing is pinned there: is bpffs mounted, has "
                                         "`shunt agent` run on this node, is it another --pin-dir?\n");
        }
    }
}

}  // namespace
}  // namespace shunt
