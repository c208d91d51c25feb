# SPDX-License-Identifier: Apache-2.0
"""Who takes part, and how each one's node is set up."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shuntlab import lab
from shuntlab.agent import Agent
from shuntlab.manifests import Manifests

from . import kube_proxy, places, services, tools
from .world import World

FLOOR, STATELESS, STATELESS_TC = "drop at ingress", "stateless XDP", "stateless tc"
ROUTING, ROUTING_XDP, CONNTRACK = "routing", "routing + XDP that passes", "routing + conntrack"
NFTABLES, IPTABLES, SHUNT_XDP, SHUNT_TC = "nftables", "iptables", "shunt XDP", "shunt tc"

RULES = (NFTABLES, IPTABLES)
SHUNT = (SHUNT_XDP, SHUNT_TC)
UNAWARE = (FLOOR, STATELESS, STATELESS_TC, ROUTING, ROUTING_XDP, CONNTRACK)  # of Services
TRACKED = (CONNTRACK, *RULES)  # leave entries in connection tracking


@dataclass(frozen=True)
class Contestant:
    """`services`: 0 where there is no such thing. `backends` of the measured Services; flows to one of them are
    limited by the source ports towards it."""

    kind: str
    services: int = 0
    backends: int = 8
    max_flows: int = 131072

    @property
    def world_name(self) -> str:
        short = {
            FLOOR: "floor",
            STATELESS: "plain",
            STATELESS_TC: "plaintc",
            ROUTING: "route",
            ROUTING_XDP: "routex",
            CONNTRACK: "track",
            NFTABLES: "nft",
            IPTABLES: "ipt",
            SHUNT_XDP: "xdp",
            SHUNT_TC: "tc",
        }
        return f"{short[self.kind]}{self.services or ''}{'b' if self.backends > 8 else ''}"

    @property
    def uses_frontend(self) -> bool:
        """Else the client dials a pod."""
        return self.kind not in (ROUTING, ROUTING_XDP, CONNTRACK)


class Entry:
    """A contestant in its world."""

    def __init__(self, contestant: Contestant, world: World):
        self.contestant = contestant
        self.world = world
        self.services = services.all_of(contestant.services, contestant.backends) if contestant.services else []
        self.manifests: Manifests | None = None
        self.agent: Agent | None = None
        self.opened: set = set()  # panels whose flows have been there
        self.changes_made = 0  # of the measured Service's endpoints

    @property
    def kind(self) -> str:
        return self.contestant.kind

    def set_up(self) -> None:
        """All but the agent's first sync."""
        self.world.build()
        _SET_UP[self.kind](self)

    def wait_ready(self) -> None:
        if self.agent is not None:
            self.agent.wait_synced()

    def keep_to(self, cpus: set[int]) -> None:
        """The agent; a new thread of it inherits that."""
        if self.agent is not None:
            for task in Path(f"/proc/{self.agent.process.pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), cpus)

    def target(self, backend: str, family: int) -> tuple[str, int]:
        """Whom the client dials."""
        if self.contestant.uses_frontend:
            return places.NODE.of(family), services.measured(backend, 1).node_port
        return places.pod(backend, 0).of(family), places.POD_PORT

    def far_end(self, backend: str) -> str:
        """Where frames must arrive."""
        if self.kind == FLOOR:
            return "floor"
        return "other" if backend == "remote" else "pods"

    def arrival_port(self, backend: str) -> int:
        return self.target(backend, 4)[1] if self.kind == FLOOR else places.POD_PORT

    def expected_source(self, backend: str, family: int) -> tuple[str, str]:
        """Whom the pod must see: the client, or the node, as an address and a mask."""
        all_bits = "255.255.255.255" if family == 4 else "ffff:" * 7 + "ffff"
        translated = self.kind in RULES or (backend == "remote" and self.kind in (STATELESS, STATELESS_TC, *SHUNT))
        if translated:
            return places.LINK_TO[backend].node.address.of(family), all_bits
        network = places.CLIENT_NETWORK.of(family).split("/")[0]
        return network, "255.255.255.0" if family == 4 else "ffff:ffff:ffff:ffff::"


def _floor(entry: Entry) -> None:
    entry.world.attach_end("floor", "node", "eth0")


def _stateless(entry: Entry) -> None:
    uplink, out = places.UPLINK, places.TO_OTHER
    address, port = entry.target("remote", 4)
    tools.run(
        entry.world.spaces["node"],
        "bench_attach",
        "stateless",
        hook="tc" if entry.kind == STATELESS_TC else "xdp",
        **{"in": uplink.node.device},
        in_dmac=uplink.far.mac,
        in_smac=uplink.node.mac,
        out=out.node.device,
        out_dmac=out.far.mac,
        out_smac=out.node.mac,
        frontend=address,
        frontend_port=port,
        backend=places.pod("remote", 0).v4,
        backend_port=places.POD_PORT,
        node=out.node.address.v4,
        client=places.FIRST_CLIENT.v4,
    )


def _routing(_: Entry) -> None:
    """The world is a router as it is."""


def _routing_xdp(entry: Entry) -> None:
    tools.run(entry.world.spaces["node"], "bench_attach", "pass", device=places.UPLINK.node.device)


def _conntrack(entry: Entry) -> None:
    entry.world.spaces["node"].run(
        ["nft", "-f", "-"],
        input_text="""\
table ip bench {
	chain forward {
		type filter hook forward priority 0; policy accept;
		ct state established,related accept
		ct state invalid drop
	}
}
""",
    )


def _nftables(entry: Entry) -> None:
    kube_proxy.load_nftables(entry.world.spaces["node"], entry.services)


def _iptables(entry: Entry) -> None:
    kube_proxy.load_iptables(entry.world.spaces["node"], entry.services)


class BenchAgent(Agent):
    """With the devices and the number of flows of a benchmark."""

    def __init__(self, max_flows: int, **options):
        super().__init__(places.NODE_NAME, **options)
        self.max_flows = max_flows

    def argv(self) -> list[str]:
        argv = super().argv()
        argv[argv.index("--max-flows") + 1] = str(self.max_flows)
        return [*argv, "--device", f"{places.UPLINK.node.device},{places.TO_OTHER.node.device}"]


def _shunt(entry: Entry) -> None:
    world = entry.world
    entry.manifests = Manifests(world.folder / "manifests", world.folder / "staging")
    services.write(entry.manifests, entry.services)
    entry.agent = BenchAgent(
        entry.contestant.max_flows,
        space=world.spaces["node"],
        processes=world.processes,
        binary=lab.binary(),
        source=("--manifests", str(entry.manifests.folder)),
        pin_dir=world.pin("shunt"),
        log=world.folder / "agent.log",
        mode="xdp" if entry.kind == SHUNT_XDP else "tc",
    )
    entry.agent.start(wait=False)


_SET_UP: dict[str, Callable[[Entry], None]] = {
    FLOOR: _floor,
    STATELESS: _stateless,
    STATELESS_TC: _stateless,
    ROUTING: _routing,
    ROUTING_XDP: _routing_xdp,
    CONNTRACK: _conntrack,
    NFTABLES: _nftables,
    IPTABLES: _iptables,
    SHUNT_XDP: _shunt,
    SHUNT_TC: _shunt,
}
