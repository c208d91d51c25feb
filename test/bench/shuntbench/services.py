# SPDX-License-Identifier: Apache-2.0
"""The Services of a world: the two that are measured, and as many others as make up the number."""

import json
from dataclasses import dataclass

from shuntlab import manifests
from shuntlab.actors import Addresses
from shuntlab.manifests import Manifests

from . import places

FIRST_NODE_PORT = 30000
FILE_SIZE = 1000  # Services in one manifest
PORTS = {"http": ("TCP", places.POD_PORT), "echo": ("UDP", places.POD_PORT)}


@dataclass(frozen=True)
class Service:
    number: int
    name: str
    ports: tuple[str, ...]  # of PORTS
    endpoints: tuple[tuple[str, Addresses], ...]  # "remote" or "local", address (IPv6 empty: has none)

    @property
    def cluster_ip(self) -> Addresses:
        return places.cluster_ip(self.number)

    @property
    def node_port(self) -> int:
        """Of all its ports. Ten thousand Services take a wider --service-node-port-range than the default."""
        return FIRST_NODE_PORT + self.number


def measured(backend: str, backends: int) -> Service:
    """All its pods are remote, or all are local."""
    pods = tuple((backend, places.pod(backend, number)) for number in range(backends))
    return Service(("remote", "local").index(backend), f"bench/{backend}", tuple(PORTS), pods)


def all_of(count: int, backends: int) -> list[Service]:
    """At least the two that are measured; they stand in the middle, as linear rules cost more towards the end."""
    fillers = [
        Service(
            number,
            f"bench/other-{number}",
            ("http",),
            tuple((backend, Addresses(places.filler_pod(backend, number), "")) for backend in ("local", "remote")),
        )
        for number in range(2, count)
    ]
    middle = len(fillers) // 2
    return fillers[:middle] + [measured("remote", backends), measured("local", backends)] + fillers[middle:]


def write(folder: Manifests, services: list[Service]) -> None:
    folder.put("node.json", [_node()])
    fillers = [service for service in services if service.number >= 2]
    for first in range(0, len(fillers), FILE_SIZE):
        part = fillers[first : first + FILE_SIZE]
        folder.put(f"others-{first}.json", [o for service in part for o in (_service(service), *_slices(service))])
    for service in services:
        if service.number < 2:
            folder.put(f"{_short(service)}.json", [_service(service)])
            put_endpoints(folder, service)


def put_endpoints(folder: Manifests, service: Service) -> None:
    """The EndpointSlices of a measured Service, in a file of their own."""
    folder.put(f"{_short(service)}-slices.json", _slices(service))


def stage_endpoints(folder: Manifests, service: Service, file_name: str) -> None:
    """The same, complete but for the rename."""
    (folder.staging / file_name).write_text(json.dumps(_list(_slices(service))))


def _list(objects: list[dict]) -> dict:
    return {"apiVersion": "v1", "kind": "List", "items": objects}


def _short(service: Service) -> str:
    return service.name.split("/")[1]


def _node() -> dict:
    addresses = [{"type": "InternalIP", "address": address} for address in (places.NODE.v4, places.NODE.v6)]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": places.NODE_NAME},
        "status": {"addresses": addresses},
    }


def _service(service: Service) -> dict:
    space, name = service.name.split("/")
    ports = [
        {"name": port, "protocol": PORTS[port][0], "port": PORTS[port][1], "targetPort": PORTS[port][1]}
        for port in service.ports
    ]
    head = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": space, "name": name},
        "spec": {"type": "NodePort", "ports": ports},
    }
    return manifests.fill_in(head, service.cluster_ip, (service.node_port,) * len(ports))


def _slices(service: Service) -> list[dict]:
    space, name = service.name.split("/")
    nodes = {"remote": places.OTHER_NAME, "local": places.NODE_NAME}
    found = []
    for family in (4, 6):
        endpoints = [
            {
                "addresses": [addresses.of(family)],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": nodes[backend],
            }
            for backend, addresses in service.endpoints
            if addresses.of(family)
        ]
        if not endpoints:
            continue
        found.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "namespace": space,
                    "name": f"{name}-v{family}",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": f"IPv{family}",
                "ports": [
                    {"name": port, "protocol": PORTS[port][0], "port": PORTS[port][1]} for port in service.ports
                ],
                "endpoints": endpoints,
            }
        )
    return found
