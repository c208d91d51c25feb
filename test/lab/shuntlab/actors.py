# SPDX-License-Identifier: Apache-2.0
"""Who is who in the lab: every name and address, here and nowhere else.

Only documentation and benchmarking ranges: RFC 5737 (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24),
RFC 2544 (198.18.0.0/15), RFC 3849 (2001:db8::/32).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Addresses:
    """One address of each family."""

    v4: str
    v6: str

    def of(self, family: int) -> str:
        """`family` is 4 or 6."""
        return self.v4 if family == 4 else self.v6

    def host(self, family: int) -> str:
        """As a URL spells it."""
        return self.v4 if family == 4 else f"[{self.v6}]"


@dataclass(frozen=True)
class Pod:
    name: str
    node: str
    address: Addresses


@dataclass(frozen=True)
class Node:
    name: str
    underlay1: Addresses  # the Node object's InternalIPs; MTU 1500
    underlay2: Addresses  # the second NIC; MTU 9000, not in the Node object
    pod_network: Addresses  # CIDRs
    pod_gateway: str  # what this node's pods take for their IPv4 gateway
    pods: tuple[Pod, ...]


def _pods(node: str, letter: str, network: int) -> tuple[Pod, ...]:
    return tuple(
        Pod(f"{letter}{i}", node, Addresses(f"198.19.{network}.{10 + i}", f"2001:db8:19:{network}::{10 + i}"))
        for i in (1, 2, 3)
    )


CLIENT = Addresses("198.51.100.7", "2001:db8:51::7")
ALB = Addresses("192.0.2.10", "2001:db8:c0::10")

ROUTER_TO_CLIENT = Addresses("198.51.100.1", "2001:db8:51::1")
ROUTER_TO_ALB = Addresses("192.0.2.1", "2001:db8:c0::1")
ROUTER_UNDERLAY1 = Addresses("198.18.0.1", "2001:db8:18::1")
ROUTER_UNDERLAY2 = Addresses("198.18.1.1", "2001:db8:18:1::1")

NODE_A = Node(
    "node-a",
    Addresses("198.18.0.21", "2001:db8:18::21"),
    Addresses("198.18.1.21", "2001:db8:18:1::21"),
    Addresses("198.19.1.0/24", "2001:db8:19:1::/64"),
    "198.19.1.1",
    _pods("node-a", "a", 1),
)
NODE_B = Node(
    "node-b",
    Addresses("198.18.0.22", "2001:db8:18::22"),
    Addresses("198.18.1.22", "2001:db8:18:1::22"),
    Addresses("198.19.2.0/24", "2001:db8:19:2::/64"),
    "198.19.2.1",
    _pods("node-b", "b", 2),
)
NODES = {node.name: node for node in (NODE_A, NODE_B)}
PODS = {pod.name: pod for node in NODES.values() for pod in node.pods}

# VIPs, by where the router sends them.
VIP_NODE_A = Addresses("203.0.113.2", "2001:db8:203::2")  # payments-service
VIP_NODE_B = Addresses("203.0.113.3", "2001:db8:203::3")  # payments-service
VIP_UNDERLAY2 = Addresses("203.0.113.4", "2001:db8:203::4")  # node-a, through its second NIC
VIP_BOTH = Addresses("203.0.113.10", "2001:db8:203::10")  # lab/both, to node-a

# What a Service of the lab offers on each pod.
HTTP_PORT = 8080  # TCP: nginx answers who it is and whom it saw; on port 80, too, where the example expects it
ECHO_PORT = 8080  # UDP: the same in one datagram
LINES_PORT = 8081  # TCP: answers each line with the pod's name and the line
BULK_PORT = 8082  # TCP: sink and source of many bytes

# shunt's default --snat-ports.
SNAT_PORTS = range(10240, 26624)

FAMILIES = (4, 6)
