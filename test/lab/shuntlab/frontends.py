# SPDX-License-Identifier: Apache-2.0
"""The ways in that tests go through, what must answer there, and whom the pods must see; and many requests
through one of them, judged."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from . import actors, figures, manifests, requests
from .actors import Addresses
from .requests import Answer, Target


@dataclass(frozen=True)
class Frontend:
    """Of one of the lab's Services, on its way through node-a."""

    name: str
    service: str
    address: Addresses
    is_vip: bool

    @property
    def pods(self) -> tuple[str, ...]:
        return manifests.LAB_PODS[self.service]

    def target(self, family: int, port_name: str) -> Target:
        ports = {name: number for name, _, number in manifests.LAB_PORTS}
        port = ports[port_name] if self.is_vip else manifests.node_port(self.service, port_name)
        return Target(family, self.address.of(family), port)


LOCAL = Frontend("NodePort, pods here", manifests.HERE, actors.NODE_A.underlay1, False)
REMOTE = Frontend("NodePort, pods elsewhere", manifests.THERE, actors.NODE_A.underlay1, False)
VIP = Frontend("VIP, pods on both nodes", manifests.BOTH, actors.VIP_BOTH, True)
ALL = (LOCAL, REMOTE, VIP)

PROTOCOLS: dict[str, tuple[str, Callable[..., Answer]]] = {
    "TCP": ("http", requests.http),
    "UDP": ("echo", requests.udp),
}


def wrong_client(answer: Answer, family: int, source_port: int) -> str:
    """What is wrong with the client address that the pod saw; empty if nothing. A pod on node-a sees the client
    itself, one on node-b an address of node-a and a port of the SNAT range."""
    if actors.PODS[answer.pod].node == "node-a":
        right = (answer.client, answer.port) == (actors.CLIENT.of(family), source_port)
    else:
        right = answer.client == actors.NODE_A.underlay1.of(family) and answer.port in actors.SNAT_PORTS
    return "" if right else f"{answer.pod} saw {answer.client} {answer.port}"


@dataclass
class Outcome:
    """Of many requests through one frontend."""

    requests: int
    failures: list[str] = field(default_factory=list)
    wrong_clients: list[str] = field(default_factory=list)
    sent_again: int = 0
    counts: Counter = field(default_factory=Counter)

    def chi_squared(self, pods: tuple[str, ...]) -> tuple[float, float]:
        """The statistic and the value it must stay below."""
        return figures.chi_squared(self.counts[pod] for pod in pods), figures.CHI_SQUARED_AT_001[len(pods) - 1]


def many(frontend: Frontend, family: int, protocol: str, source_ports: range) -> Outcome:
    """One after the other, each from the next source port. Call it inside the client's namespace."""
    port_name, ask = PROTOCOLS[protocol]
    target = frontend.target(family, port_name)
    outcome = Outcome(len(source_ports))
    for port in source_ports:
        try:
            answer = ask(target, (actors.CLIENT.of(family), port))
        except (OSError, ValueError) as error:
            outcome.failures.append(f"from port {port}: {type(error).__name__} {error}")
            if len(outcome.failures) >= 5:
                break  # it does not work: no need to wait for a thousand time-outs
            continue
        outcome.counts[answer.pod] += 1
        outcome.sent_again += answer.sent_again
        if complaint := wrong_client(answer, family, port):
            outcome.wrong_clients.append(f"from port {port}: {complaint}")
    return outcome


def report(frontend: Frontend, family: int, protocol: str, outcome: Outcome) -> str:
    shares = " ".join(f"{pod}:{outcome.counts[pod]}" for pod in frontend.pods)
    statistic, limit = outcome.chi_squared(frontend.pods)
    return (
        f"IPv{family} {protocol} {frontend.name:25} {outcome.requests} requests, {len(outcome.failures)} failures, "
        f"{outcome.sent_again} segments sent again, {len(outcome.wrong_clients)} wrong client addresses; "
        f"{shares}, chi-squared {statistic:.1f} (limit {limit})"
    )
