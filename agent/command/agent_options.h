// SPDX-License-Identifier: Apache-2.0
// What `shunt agent` may be told, on the command line or in a file. The command line wins.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "agent/datapath/attachment.h"
#include "agent/model/ip_prefix.h"
#include "agent/plan/node_port_addresses.h"
#include "agent/report/words.h"

namespace shunt {

struct AgentOptions {
    std::string manifests;             // a directory; empty: the Kubernetes API is the source
    std::string kubeconfig;            // a file; empty: the pod's service account
    std::string api_server;            // a URL; empty: theirs
    std::string node_name;
    std::vector<std::string> devices;  // empty: by the rule of agent/network/devices.h
    NodePortAddresses node_port_addresses;
    std::vector<IpPrefix> cluster_ranges;  // whose traffic starts in the cluster
    AttachMode mode = AttachMode::automatic;
    bool xdp_chain = false;
    std::uint16_t snat_port_min = 10240;
    std::uint16_t snat_port_max = 26623;     // inclusive
    std::optional<std::uint32_t> max_flows;  // per family; none: by memory
    std::string pin_dir;
    std::string log_level = "info";
    bool log_json = false;
    bool replace = false;                // in the place of kube-proxy: its ports are ours
    std::optional<AddressPort> healthz;  // none: not served
    std::optional<AddressPort> metrics;
};

// The error is one line for people, with the option or the file and key that it is about. `--help` is the caller's.
std::expected<AgentOptions, std::string> parse_agent_options(const std::vector<std::string>& arguments);

// The values of --device: lists of names, without those that come twice. The error is as above.
std::expected<std::vector<std::string>, std::string> device_names(const std::vector<std::string>& lists);

// For the help.
boost::program_options::options_description agent_option_descriptions();

}  // namespace shunt
