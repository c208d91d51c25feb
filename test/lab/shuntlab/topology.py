# SPDX-License-Identifier: Apache-2.0
"""The wires: namespaces, links, addresses, routes.

    client ── router ──┬── underlay 1 (MTU 1500) ──┬── node-a ── a1 a2 a3
       alb ──┘         └── underlay 2 (MTU 9000) ──┴── node-b ── b1 b2 b3

Both underlays are bridges inside the router's namespace; in each node they are eth0 and eth1. Every veth is
created in the two namespaces it joins, so nothing of the lab ever appears among the host's own devices.
"""

import ctypes
import fcntl
import socket
import struct

from . import actors
from .actors import Node, Pod
from .namespace import Namespace, create

# As on EKS, the second NIC has no Node address and no default route but in a table of its own.
SECOND_NIC_TABLE = 2

# linux/sockios.h, linux/ethtool.h
_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO, _ETHTOOL_STXCSUM = 0x3, 0x17


def namespaces(prefix: str) -> dict[str, Namespace]:
    names = ["client", "router", "alb", *actors.NODES, *actors.PODS]
    return {name: Namespace(f"{prefix}-{name}") for name in names}


def build(spaces: dict[str, Namespace], *, offloads: bool = False) -> None:
    """`offloads` leaves checksum offload and segmentation on, as a NIC would: packets then cross the lab as
    CHECKSUM_PARTIAL and GSO, which is right for tc. XDP would see checksums that nobody has filled in yet, so
    normally they are off on every veth end."""
    create(spaces.values())
    for space in spaces.values():
        _sysctls_for_all(space)
    _forwarders(spaces)
    _router(spaces)
    _edge(spaces, "client", actors.CLIENT, actors.ROUTER_TO_CLIENT)
    _edge(spaces, "alb", actors.ALB, actors.ROUTER_TO_ALB)
    for node in actors.NODES.values():
        _node(spaces, node)
        for pod in node.pods:
            _pod(spaces, node, pod)
    for node in actors.NODES.values():
        _routes_to_the_others_pods(spaces, node)
    _router_routes(spaces["router"])
    if not offloads:
        for space in spaces.values():
            _checksum_offload_off(space)
    for device in _router_ports():
        # XDP reaches a veth only if its peer polls (NAPI), which GRO switches on; else shunt leaves sending to tc.
        spaces["router"].run(["ethtool", "-K", device, "gro", "on"])


def _sysctls_for_all(space: Namespace) -> None:
    """Before any device exists, so that `default` reaches them all."""
    space.sysctl(
        net__ipv6__conf__all__accept_dad=0,
        net__ipv6__conf__default__accept_dad=0,
        net__ipv6__conf__all__accept_ra=0,
        net__ipv6__conf__default__accept_ra=0,
        net__ipv4__conf__all__rp_filter=0,
        net__ipv4__conf__default__rp_filter=0,
    )
    space.ip("link set lo up\n")


def _forwarders(spaces: dict[str, Namespace]) -> None:
    for name in ("router", *actors.NODES):
        spaces[name].sysctl(
            net__ipv4__ip_forward=1,
            net__ipv6__conf__all__forwarding=1,
            net__ipv4__conf__all__send_redirects=0,
            net__ipv4__conf__default__send_redirects=0,
        )
    for name in actors.NODES:
        # Loose, as Debian and most CNIs set it: requests for a VIP may come in on the second NIC, and the
        # client's route goes out by the first.
        spaces[name].sysctl(net__ipv4__conf__all__rp_filter=2)


def _router(spaces: dict[str, Namespace]) -> None:
    spaces["router"].ip(f"""\
link add under1 type bridge
link add under2 type bridge
link set under1 up
link set under2 mtu 9000 up
addr add {actors.ROUTER_UNDERLAY1.v4}/24 dev under1
addr add {actors.ROUTER_UNDERLAY1.v6}/64 dev under1 nodad
addr add {actors.ROUTER_UNDERLAY2.v4}/24 dev under2
addr add {actors.ROUTER_UNDERLAY2.v6}/64 dev under2 nodad
""")


def _edge(spaces: dict[str, Namespace], name: str, here: actors.Addresses, gateway: actors.Addresses) -> None:
    space, router = spaces[name], spaces["router"]
    _veth(space, "eth0", router, name)
    space.ip(f"""\
addr add {here.v4}/24 dev eth0
addr add {here.v6}/64 dev eth0 nodad
link set eth0 up
""")
    router.ip(f"""\
addr add {gateway.v4}/24 dev {name}
addr add {gateway.v6}/64 dev {name} nodad
link set {name} up
""")
    space.ip(f"route add default via {gateway.v4}\nroute add default via {gateway.v6}\n")


def _port(node: Node, underlay: int) -> str:
    return f"u{underlay}-{node.name}"


def _router_ports() -> list[str]:
    return [_port(node, underlay) for node in actors.NODES.values() for underlay in (1, 2)]


def _node(spaces: dict[str, Namespace], node: Node) -> None:
    space, router = spaces[node.name], spaces["router"]
    for underlay, mtu in ((1, 1500), (2, 9000)):
        device, port = f"eth{underlay - 1}", _port(node, underlay)
        _veth(space, device, router, port)
        addresses = node.underlay1 if underlay == 1 else node.underlay2
        space.ip(f"""\
addr add {addresses.v4}/24 dev {device}
addr add {addresses.v6}/64 dev {device} nodad
link set {device} mtu {mtu} up
""")
        router.ip(f"link set {port} mtu {mtu} master under{underlay}\nlink set {port} up\n")
    space.ip(f"""\
route add default via {actors.ROUTER_UNDERLAY1.v4}
route add default via {actors.ROUTER_UNDERLAY1.v6}
route add default via {actors.ROUTER_UNDERLAY2.v4} table {SECOND_NIC_TABLE}
route add default via {actors.ROUTER_UNDERLAY2.v6} table {SECOND_NIC_TABLE}
""")


def _pod(spaces: dict[str, Namespace], node: Node, pod: Pod) -> None:
    """As routing CNIs wire it: a veth, host routes, the node as the pod's gateway."""
    host, space = spaces[node.name], spaces[pod.name]
    device = f"pod-{pod.name}"
    _veth(space, "eth0", host, device)
    host.ip(f"""\
addr add {node.pod_gateway}/32 dev {device}
addr add fe80::1/64 dev {device} nodad
link set {device} up
route add {pod.address.v4}/32 dev {device}
route add {pod.address.v6}/128 dev {device}
""")
    space.ip(f"""\
addr add {pod.address.v4}/32 dev eth0
addr add {pod.address.v6}/128 dev eth0 nodad
link set eth0 up
route add {node.pod_gateway}/32 dev eth0 scope link
route add default via {node.pod_gateway} dev eth0
route add default via fe80::1 dev eth0
""")


def _routes_to_the_others_pods(spaces: dict[str, Namespace], node: Node) -> None:
    for other in actors.NODES.values():
        if other is not node:
            spaces[node.name].ip(f"""\
route add {other.pod_network.v4} via {other.underlay1.v4}
route add {other.pod_network.v6} via {other.underlay1.v6}
""")


def _router_routes(router: Namespace) -> None:
    """A VIP each to one node. No pod networks: what shunt sends to another node must carry a node's address."""
    a, b = actors.NODE_A, actors.NODE_B
    for vip, node in (
        (actors.VIP_NODE_A, a.underlay1),
        (actors.VIP_NODE_B, b.underlay1),
        (actors.VIP_UNDERLAY2, a.underlay2),
        (actors.VIP_BOTH, a.underlay1),
    ):
        router.ip(f"route add {vip.v4}/32 via {node.v4}\nroute add {vip.v6}/128 via {node.v6}\n")


def _veth(one: Namespace, one_device: str, other: Namespace, other_device: str) -> None:
    one.run(["ip", "link", "add", one_device, "type", "veth", "peer", "name", other_device, "netns", other.full_name])


def _checksum_offload_off(space: Namespace) -> None:
    """As `ethtool -K DEVICE tx off`, without a process for each device."""
    with space.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, device in socket.if_nameindex():
            if _driver(asker, device) == "veth":
                _ethtool(asker, device, struct.pack("=II", _ETHTOOL_STXCSUM, 0))


def _driver(asker: socket.socket, device: str) -> str:
    """Empty for those that do not say (lo). struct ethtool_drvinfo: the command, then 32 octets with the driver's name,
    196 in all."""
    information = struct.pack("=I", _ETHTOOL_GDRVINFO).ljust(196, b"\0")
    try:
        return _ethtool(asker, device, information)[4:36].rstrip(b"\0").decode()
    except OSError:
        return ""


def _ethtool(asker: socket.socket, device: str, command: bytes) -> bytes:
    value = ctypes.create_string_buffer(command, len(command))
    # struct ifreq: the name, then a pointer; 40 octets in all.
    fcntl.ioctl(asker, _SIOCETHTOOL, struct.pack("=16sQ16x", device.encode(), ctypes.addressof(value)))
    return value.raw
