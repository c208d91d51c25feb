# SPDX-License-Identifier: Apache-2.0
"""Names and addresses of every world: the same in each, so that contestants differ in nothing else.

    client ── eth0 node eth1 ── other        (another node, with the remote pods)
                    └── eth2 ── pods         (this node's own pods)

Only documentation and benchmarking ranges, as in shuntlab.actors.
"""

import ipaddress
from dataclasses import dataclass

from shuntlab.actors import Addresses


@dataclass(frozen=True)
class Port:
    """One end of a link."""

    space: str
    device: str
    mac: str
    address: Addresses


@dataclass(frozen=True)
class Link:
    node: Port
    far: Port


NODE_NAME, OTHER_NAME = "node-a", "node-b"

UPLINK = Link(
    Port("node", "eth0", "02:00:00:00:00:21", Addresses("198.18.0.21", "2001:db8:18::21")),
    Port("client", "eth0", "02:00:00:00:00:07", Addresses("198.18.0.7", "2001:db8:18::7")),
)
TO_OTHER = Link(
    Port("node", "eth1", "02:00:00:00:01:21", Addresses("198.18.1.21", "2001:db8:18:1::21")),
    Port("other", "eth0", "02:00:00:00:01:22", Addresses("198.18.1.22", "2001:db8:18:1::22")),
)
TO_PODS = Link(
    Port("node", "eth2", "02:00:00:00:02:21", Addresses("198.18.2.21", "2001:db8:18:2::21")),
    Port("pods", "eth0", "02:00:00:00:02:22", Addresses("198.18.2.22", "2001:db8:18:2::22")),
)
LINKS = (UPLINK, TO_OTHER, TO_PODS)

NODE = UPLINK.node.address

# Clients lie behind the client's end of the uplink. Each address has 32k flows.
CLIENT_NETWORK = Addresses("198.51.100.0/24", "2001:db8:51::/64")
FIRST_CLIENT = Addresses("198.51.100.16", "2001:db8:51::16")
SILENT_CLIENT = Addresses("198.51.100.200", "2001:db8:51::200")  # whose packets nobody answers

# Pods of the measured Services; pods of all others.
POD_PORT = 8080
POD_NETWORK = {"remote": Addresses("198.19.2.0/23", "2001:db8:19:2::/64"),
               "local": Addresses("198.19.4.0/23", "2001:db8:19:4::/64")}  # fmt: skip
FILLER_NETWORK = {"remote": "198.19.64.0/18", "local": "198.19.16.0/20"}
CLUSTER_CIDR = "198.19.0.0/17"
CLUSTER_IPS = Addresses("198.19.192.0", "2001:db8:a::")
LINK_TO = {"remote": TO_OTHER, "local": TO_PODS}


def pod(backend: str, number: int) -> Addresses:
    """`number` from 0 on."""
    networks = POD_NETWORK[backend]
    return Addresses(_host(networks.v4, number + 1), _host(networks.v6, number + 1))


def filler_pod(backend: str, number: int) -> str:
    """IPv4. More Services than addresses share them."""
    network = ipaddress.ip_network(FILLER_NETWORK[backend])
    return str(network[1 + number % (network.num_addresses - 2)])


def cluster_ip(number: int) -> Addresses:
    return Addresses(_host(CLUSTER_IPS.v4 + "/18", number + 1), _host(CLUSTER_IPS.v6 + "/64", number + 1))


def _host(network: str, number: int) -> str:
    return str(ipaddress.ip_network(network)[number])
