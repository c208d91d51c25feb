# SPDX-License-Identifier: Apache-2.0
"""What is measured: sizes, contestants, panels. A panel is one question that several contestants answer."""

from dataclasses import dataclass

from . import contestants as c
from .contestants import Contestant

CPU, CONNECTIONS, LATENCY = "cpu_ns_per_packet", "connections_per_second", "request_p50_us"
# Alone; and as soon as the change before it has shown.
CHANGE, CHANGE_AFTER_CHANGE = "endpoint_change_ms", "endpoint_change_after_change_ms"


@dataclass(frozen=True)
class Size:
    services: tuple[int, ...] = (1, 1000, 10000)
    flows: tuple[int, ...] = (1, 32768)
    most_flows: int = 524288
    most_backends: int = 256
    frames: int = 3_000_000
    connections: int = 4_800
    requests: int = 10_000
    change_services: tuple[int, ...] = (10, 10000)
    changes: int = 30
    rounds: int = 4


FULL = Size()
QUICK = Size(
    services=(1, 1000),
    flows=(1, 4096),
    most_flows=65536,
    most_backends=32,
    frames=300_000,
    connections=1_600,
    requests=4_000,
    change_services=(10, 1000),
    changes=5,
    rounds=3,
)
SMOKE = Size(
    services=(20,),
    flows=(256,),
    most_flows=1024,
    most_backends=9,
    frames=5_000,
    connections=160,
    requests=200,
    change_services=(20,),
    changes=2,
    rounds=1,
)


@dataclass(frozen=True)
class Panel:
    metric: str
    backend: str  # "remote" or "local"
    family: int
    flows: int  # 0: no such thing
    contestants: tuple[Contestant, ...]
    replies: bool = True  # else flows are opened by the client alone


def panels(size: Size) -> list[Panel]:
    """All that goes in rounds. Endpoint changes do not: nobody else takes part."""
    floor, stateless, routing, conntrack = (Contestant(kind) for kind in (c.FLOOR, c.STATELESS, c.ROUTING, c.CONNTRACK))
    # The least that tc, or XDP before the stack, can cost.
    stateless_tc, routing_xdp = Contestant(c.STATELESS_TC), Contestant(c.ROUTING_XDP)
    full = [Contestant(kind, count) for kind in (*c.RULES, *c.SHUNT) for count in size.services]
    # Where the number of Services is not the question the smallest and the largest do, and one of iptables.
    ends = [one for one in full if one.services in (size.services[0], size.services[-1])]
    fewer = [one for one in ends if one.kind != c.IPTABLES or one.services == size.services[0]]
    first_of_shunt = [one for one in full if one.kind in c.SHUNT and one.services == size.services[0]]
    one_way = [one for one in full if one.kind in (c.NFTABLES, *c.SHUNT) and one.services == size.services[0]]
    crowded = [Contestant(kind, size.services[0], size.most_backends, 2 * size.most_flows) for kind in c.SHUNT]

    found = []
    for flows in size.flows:
        rest = full if flows == size.flows[0] else ends
        found.append(Panel(CPU, "remote", 4, flows, (floor, stateless, stateless_tc, routing, conntrack, *rest)))
        found.append(Panel(CPU, "local", 4, flows, (routing, routing_xdp, conntrack, *fewer)))
        found.append(Panel(CPU, "remote", 6, flows, (routing, *first_of_shunt)))
    found.append(Panel(CPU, "local", 6, size.flows[0], (routing, *first_of_shunt)))
    found.append(Panel(CPU, "remote", 4, size.most_flows, (stateless, routing, *crowded)))
    found.append(Panel(CPU, "local", 4, size.most_flows, (routing, *crowded)))
    found.append(Panel(CPU, "remote", 4, 1, (stateless, *one_way), replies=False))
    for metric in (CONNECTIONS, LATENCY):
        found.append(Panel(metric, "remote", 4, 0, (stateless, routing, conntrack, *full)))
        found.append(Panel(metric, "local", 4, 0, (routing, conntrack, *fewer)))
    return found


def changing(size: Size) -> list[Panel]:
    """Whose endpoints change."""
    agents = tuple(Contestant(c.SHUNT_XDP, count) for count in size.change_services)
    return [Panel(metric, "remote", 4, 0, agents) for metric in (CHANGE, CHANGE_AFTER_CHANGE)]
