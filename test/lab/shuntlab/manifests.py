# SPDX-License-Identifier: Apache-2.0
"""The directory that the agents watch, and what stands in it.

The example's Services as they stand in examples/eks/, with what a cluster would have filled in (cluster IPs,
the second node port, the load balancer's addresses); the lab's own Services; the two Node objects; and the
EndpointSlices, as the cluster's controller would keep them. The example is written as YAML, the rest as JSON,
so that the lab crosses both decoders.
"""

import json
import os
from pathlib import Path

import yaml

from . import actors
from .actors import Addresses

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "eks"

ORDERS = "shop/orders-service"
PAYMENTS = "shop/payments-service"
ORDERS_NODE_PORT = 32001
PAYMENTS_NODE_PORT = 31544
PAYMENTS_PORT = 8080

# Payments runs on node-b only: node-a is then a node without a local pod.
ORDERS_PODS = ("a1", "a2", "b1")
PAYMENTS_PODS = ("b2", "b3")

# The lab's own Services. Node ports of the four ports, in the order of LAB_PORTS; VIPs.
HERE = "lab/here"  # all pods of node-a
THERE = "lab/there"  # all pods of node-b
BOTH = "lab/both"  # all six, behind VIP_BOTH
LAB_PORTS = (
    ("http", "TCP", actors.HTTP_PORT),
    ("echo", "UDP", actors.ECHO_PORT),
    ("lines", "TCP", actors.LINES_PORT),
    ("bulk", "TCP", actors.BULK_PORT),
)
LAB_PODS = {HERE: ("a1", "a2", "a3"), THERE: ("b1", "b2", "b3"), BOTH: ("a1", "a2", "a3", "b1", "b2", "b3")}
LAB_NODE_PORTS = {HERE: 30110, THERE: 30120, BOTH: 30130}
LAB_VIPS = {HERE: (actors.VIP_UNDERLAY2,), THERE: (), BOTH: (actors.VIP_BOTH,)}


def node_port(service: str, port_name: str) -> int:
    """Of one of the lab's own Services."""
    names = [name for name, _, _ in LAB_PORTS]
    return LAB_NODE_PORTS[service] + names.index(port_name)


class Manifests:
    """Writes whole files and puts each in place by one rename, as whoever feeds shunt this way should."""

    def __init__(self, folder: Path, staging: Path):
        self.folder = folder
        self.staging = staging  # same file system, not watched
        folder.mkdir()
        staging.mkdir()

    def put_text(self, file_name: str, text: str) -> None:
        staged = self.staging / file_name
        staged.write_text(text)
        os.rename(staged, self.folder / file_name)

    def put(self, file_name: str, objects: list[dict]) -> None:
        if file_name.endswith(".json"):
            self.put_text(file_name, json.dumps(_list(objects), indent=1) + "\n")
        else:
            self.put_text(file_name, yaml.safe_dump_all(objects, sort_keys=False))

    def put_endpoints(self, service: str, pods: tuple[str, ...], **conditions: bool) -> None:
        """The EndpointSlices of a Service known here; `conditions` differ from ready and serving."""
        objects = self._slices_of(service, pods, conditions)
        self.put(_slices_file(service), objects)

    def remove(self, file_name: str) -> None:
        (self.folder / file_name).unlink()

    def put_example(self) -> None:
        self.put("nodes.yaml", [_list([_node(node) for node in actors.NODES.values()])])
        self.put("eks.yaml", filled_in_example())
        self.put_endpoints(ORDERS, ORDERS_PODS)
        self.put_endpoints(PAYMENTS, PAYMENTS_PODS)

    def put_lab_services(self) -> None:
        self.put("lab.json", [_lab_service(name, index) for index, name in enumerate(LAB_PODS)])
        for service, pods in LAB_PODS.items():
            self.put_endpoints(service, pods)

    def _slices_of(self, service: str, pods: tuple[str, ...], conditions: dict) -> list[dict]:
        return slices(service, pods, LAB_PORTS if service in LAB_PODS else _example_ports(service), **conditions)


def _slices_file(service: str) -> str:
    namespace, name = service.split("/")
    return f"slices-{namespace}-{name}.{'json' if namespace == 'lab' else 'yaml'}"


def _list(objects: list[dict]) -> dict:
    return {"apiVersion": "v1", "kind": "List", "items": objects}


def _node(node: actors.Node) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": node.underlay1.v4},
                {"type": "InternalIP", "address": node.underlay1.v6},
                {"type": "Hostname", "address": node.name},
            ]
        },
    }


def example_objects() -> list[dict]:
    """examples/eks/, as its author wrote it."""
    files = sorted(EXAMPLES.glob("*.yaml"))
    return [document for file in files for document in yaml.safe_load_all(file.read_text()) if document]


def _example_ports(service: str) -> tuple[tuple[str, str, int], ...]:
    """Name, protocol and target port: a slice's ports carry the names of its Service's."""
    space, name = service.split("/")
    for item in example_objects():
        if item["kind"] == "Service" and (item["metadata"]["namespace"], item["metadata"]["name"]) == (space, name):
            ports = item["spec"]["ports"]
            return tuple((port.get("name", ""), port.get("protocol", "TCP"), port["targetPort"]) for port in ports)
    raise KeyError(f"no Service {service} in {EXAMPLES}")


def filled_in_example() -> list[dict]:
    objects = example_objects()
    for item in objects:
        if item["kind"] != "Service":
            continue
        if item["metadata"]["name"] == "orders-service":
            fill_in(item, Addresses("198.19.160.11", "2001:db8:a::100b"), (ORDERS_NODE_PORT,))
        if item["metadata"]["name"] == "payments-service":
            vips = (actors.VIP_NODE_A, actors.VIP_NODE_B)
            fill_in(item, Addresses("198.19.160.12", "2001:db8:a::100c"), (PAYMENTS_NODE_PORT,), vips)
    return objects


def fill_in(
    service: dict, cluster_ips: Addresses, node_ports: tuple[int, ...], vips: tuple[Addresses, ...] = ()
) -> dict:
    """What the API server and the load balancer's controller add to a Service of both families."""
    spec = service["spec"]
    spec["clusterIP"] = cluster_ips.v4
    spec["clusterIPs"] = [cluster_ips.v4, cluster_ips.v6]
    spec["ipFamilies"] = ["IPv4", "IPv6"]
    spec["ipFamilyPolicy"] = "RequireDualStack"
    spec.setdefault("externalTrafficPolicy", "Cluster")
    spec.setdefault("sessionAffinity", "None")
    for port, number in zip(spec["ports"], node_ports, strict=True):
        port.setdefault("nodePort", number)
    ingress = [{"ip": address, "ipMode": "VIP"} for vip in vips for address in (vip.v4, vip.v6)]
    service["status"] = {"loadBalancer": {"ingress": ingress} if ingress else {}}
    return service


def service(
    name: str,
    node_ports: tuple[int, ...],
    ports: tuple[tuple[str, str, int], ...] = LAB_PORTS,
    vips: tuple[Addresses, ...] = (),
    number: int = 0,
    **spec,
) -> dict:
    """A Service of the lab's own, with the cluster IPs of that number; `spec` adds fields or replaces them."""
    space, short = name.split("/")
    return fill_in(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": space, "name": short},
            "spec": {
                "type": "LoadBalancer" if vips else "NodePort",
                "ports": [
                    {"name": port, "protocol": protocol, "port": value, "targetPort": value}
                    for port, protocol, value in ports
                ],
                **spec,
            },
        },
        Addresses(f"198.19.161.{10 + number}", f"2001:db8:a::{1000 + number}"),
        node_ports,
        vips,
    )


def _lab_service(name: str, number: int) -> dict:
    node_ports = tuple(node_port(name, port) for port, _, _ in LAB_PORTS)
    return service(name, node_ports, vips=LAB_VIPS[name], number=number)


def slices(service_name: str, pods: tuple[str, ...], ports, **conditions: bool) -> list[dict]:
    """One EndpointSlice for each family, as the EndpointSlice controller makes them."""
    space, name = service_name.split("/")
    state = {"ready": True, "serving": True, "terminating": False, **conditions}
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": space,
                "name": f"{name}-v{family}",
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": f"IPv{family}",
            "ports": [{"name": port, "protocol": protocol, "port": number} for port, protocol, number in ports],
            "endpoints": [
                {
                    "addresses": [actors.PODS[pod].address.of(family)],
                    "conditions": dict(state),
                    "nodeName": actors.PODS[pod].node,
                    "targetRef": {"kind": "Pod", "namespace": space, "name": pod},
                }
                for pod in pods
            ],
        }
        for family in actors.FAMILIES
    ]
