# SPDX-License-Identifier: Apache-2.0
"""A kube-proxy on node-a, as far as packets can tell: its rules in one of its two modes, and the Services that they are for."""

from pathlib import Path

import yaml

from . import actors, manifests
from .manifests import Manifests
from .namespace import Namespace

FOLDER = Path(__file__).resolve().parents[1] / "kube-proxy"
MODES = ("nftables", "iptables")

ORDERS_PORT = 32001
DNS_PORT = 31546  # UDP
PAYMENTS_VIP, PAYMENTS_PORT = actors.VIP_NODE_A, 8080

# The pods behind each Service in the rules, and its ports as its slices name them.
_HTTP = (("http", "TCP", 8080),)
ENDPOINTS = {
    "default/orders-service": (("a1", "a2", "b1"), _HTTP),
    "default/payments-service": (("a1", "b1"), _HTTP),
    "default/local-policy": (("a2", "b2"), (("web", "TCP", 8080), ("dns", "UDP", 8080))),
}


def load(space: Namespace, mode: str) -> None:
    if mode == "nftables":
        space.run(["nft", "-f", str(FOLDER / "nftables.txt")])
    else:
        space.run(["iptables-restore", str(FOLDER / "iptables.txt")])
        space.run(["ip6tables-restore", str(FOLDER / "ip6tables.txt")])


def unload(space: Namespace) -> None:
    space.run(["nft", "flush", "ruleset"])


def put_services(target: Manifests) -> None:
    """For shunt: the same Services, but that local-policy has policy Cluster, so that shunt serves UDP, too."""
    objects = list(yaml.safe_load_all((FOLDER / "services.yaml").read_text()))
    for service in objects:
        if service["metadata"]["name"] == "local-policy":
            service["spec"]["externalTrafficPolicy"] = "Cluster"
            service["spec"].pop("healthCheckNodePort", None)
    target.put("kube-proxy.yaml", objects)
    slices = [piece for name, (pods, ports) in ENDPOINTS.items() for piece in manifests.slices(name, pods, ports)]
    target.put("kube-proxy-slices.json", slices)
