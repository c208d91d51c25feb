# SPDX-License-Identifier: Apache-2.0
"""One contestant's own client, node and pods: built once, there until the end of the run, so that ten thousand rules
are loaded once and not in every round."""

import json
from pathlib import Path

from shuntlab.lab import BPFFS
from shuntlab.namespace import Namespace, create
from shuntlab.processes import Processes

from . import places, tools

SPACES = ("client", "node", "other", "pods")


class World:
    def __init__(self, prefix: str, name: str, folder: Path, processes: Processes):
        self.prefix = f"{prefix}-{name}"
        self.folder = folder / name
        self.processes = processes
        self.spaces = {space: Namespace(f"{self.prefix}-{space}") for space in SPACES}

    def pin(self, name: str) -> Path:
        return BPFFS / f"{self.prefix}-{name}"

    def build(self) -> None:
        self.folder.mkdir()
        create(self.spaces.values())
        for space in self.spaces.values():
            space.sysctl(net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0)
            space.ip("link set lo up\n")
        node, client = self.spaces["node"], self.spaces["client"]
        node.sysctl(
            net__ipv4__ip_forward=1,
            net__ipv6__conf__all__forwarding=1,
            net__ipv4__conf__all__rp_filter=0,
            net__ipv4__conf__default__rp_filter=0,
            net__ipv4__conf__all__send_redirects=0,
        )
        # The client's side of closed connections: without this its ports would run out.
        client.sysctl(net__ipv4__tcp_max_tw_buckets=0)
        for link in places.LINKS:
            self._connect(link)
        self._routes()
        for space in ("client", "other", "pods"):
            self.attach_end(space, space, "eth0")

    def attach_end(self, pin: str, space: str, device: str) -> None:
        """Counts what arrives at the device; the program also makes it poll (NAPI), which redirects need."""
        tools.run(self.spaces[space], "bench_attach", "end", device=device, pin=self.pin(pin))

    def _connect(self, link: places.Link) -> None:
        node, far = link.node, link.far
        spaces = self.spaces
        spaces["node"].ip(
            f"link add {node.device} address {node.mac} type veth "
            f"peer name {far.device} address {far.mac} netns {spaces[far.space].full_name}\n"
        )
        for here, there in ((node, far), (far, node)):
            spaces[here.space].ip(f"""\
addr add {here.address.v4}/24 dev {here.device}
addr add {here.address.v6}/64 dev {here.device} nodad
link set {here.device} up
neigh add {there.address.v4} lladdr {there.mac} dev {here.device} nud permanent
neigh add {there.address.v6} lladdr {there.mac} dev {here.device} nud permanent
""")
            # XDP sees checksums that nobody has filled in yet where `tx` is on.
            spaces[here.space].run(["ethtool", "-K", here.device, "tx", "off", "gro", "on"])

    def _routes(self) -> None:
        def via(network: str, gateway: str) -> str:
            return f"route add {network} via {gateway}\n"

        lines = ""
        far = places.UPLINK.far.address
        lines += via(places.CLIENT_NETWORK.v4, far.v4) + via(places.CLIENT_NETWORK.v6, far.v6)
        for backend, link in places.LINK_TO.items():
            far = link.far.address
            lines += via(places.POD_NETWORK[backend].v4, far.v4) + via(places.POD_NETWORK[backend].v6, far.v6)
            lines += via(places.FILLER_NETWORK[backend], far.v4)
        self.spaces["node"].ip(lines)
        owned = {
            "client": places.CLIENT_NETWORK,
            "other": places.POD_NETWORK["remote"],
            "pods": places.POD_NETWORK["local"],
        }
        for link in places.LINKS:
            # Whole networks are the space's own addresses: thousands of clients and pods without an `addr add` each.
            networks, gateway = owned[link.far.space], link.node.address
            self.spaces[link.far.space].ip(
                via("default", gateway.v4)
                + via("default", gateway.v6)
                + f"route add local {networks.v4} dev lo\nroute add local {networks.v6} dev lo\n"
            )

    def send(self, **arguments) -> dict:
        """bench_frames, in the client's namespace."""
        link = places.UPLINK
        output = tools.run(
            self.spaces["client"],
            "bench_frames",
            "send",
            device=link.far.device,
            smac=link.far.mac,
            dmac=link.node.mac,
            near=self.pin("client"),
            **arguments,
        )
        return json.loads(output)
