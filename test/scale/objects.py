# SPDX-License-Identifier: Apache-2.0
"""A cluster of any size, made up: its objects look, and weigh, as those a real API server sent for 10,000 Services
(half ClusterIP, two fifths NodePort, a tenth LoadBalancer; one or two ports, some UDP, some policy Local, some ClientIP;
ten endpoints each, some terminating, some not ready; managedFields and all). The same number gives the same object."""

import ipaddress
import json

NODE = "ip-10-0-1-11.us-west-2.compute.internal"
NODE_ADDRESS = "192.0.2.1"
SERVICES_OF_A_NAMESPACE = 250
_SERVICE_ADDRESSES = int(ipaddress.ip_address("10.96.0.0"))
_POD_ADDRESSES = int(ipaddress.ip_address("10.128.0.0"))
_TIME = "2026-11-23T09:43:55Z"
_MANAGED_SERVICE = (
    '"managedFields":[{"manager":"deployer","operation":"Update","apiVersion":"v1","time":"%s","fieldsType":"FieldsV1",'
    '"fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:app.kubernetes.io/name":{},"f:app.kubernetes.io/part-of":{}}},"f:spec":'
    '{"f:internalTrafficPolicy":{},"f:ports":{".":{},"k:{\\"port\\":8080,\\"protocol\\":\\"TCP\\"}":{".":{},"f:name":{},'
    '"f:port":{},"f:protocol":{},"f:targetPort":{}}},"f:sessionAffinity":{},"f:type":{}}}}]' % _TIME
)
_MANAGED_SLICE = (
    '"managedFields":[{"manager":"deployer","operation":"Update","apiVersion":"discovery.k8s.io/v1","time":"%s","fieldsType":'
    '"FieldsV1","fieldsV1":{"f:addressType":{},"f:endpoints":{},"f:metadata":{"f:labels":{".":{},'
    '"f:endpointslice.kubernetes.io/managed-by":{},"f:kubernetes.io/service-name":{}}},"f:ports":{}}}]' % _TIME
)
_TYPES = {"services": ("Service", "v1"), "endpointslices": ("EndpointSlice", "discovery.k8s.io/v1"), "nodes": ("Node", "v1")}
_TYPED = {plural: f'"kind":"{kind}","apiVersion":"{api}",' for plural, (kind, api) in _TYPES.items()}


def name(number: int) -> tuple[str, str]:
    return f"team-{number // SERVICES_OF_A_NAMESPACE:02d}", f"service-{number:05d}"


def has_node_port(number: int) -> bool:
    return number % 2 == 1


def is_served(number: int) -> bool:
    """With a NodePort, and nothing that leaves it to kube-proxy."""
    return has_node_port(number) and not _is_local(number) and not _has_affinity(number)


def _is_local(number: int) -> bool:
    return has_node_port(number) and number % 20 == 7


def _has_affinity(number: int) -> bool:
    return number % 50 == 11


def _ports(number: int) -> list[tuple[str, str, int]]:
    return [("http", "TCP", 8080)] + ([("dns", "UDP", 5353)] if number % 5 == 3 else [])


def service(number: int, version: int, node_port_shift: int = 0) -> str:
    """`node_port_shift`: 0 or 1; its NodePorts then are other ones, which no other Service has."""
    space, short = name(number)
    kind = "ClusterIP" if not has_node_port(number) else "LoadBalancer" if number % 10 == 5 else "NodePort"
    ports = []
    for index, (port_name, protocol, port) in enumerate(_ports(number)):
        node_port = f',"nodePort":{30000 + 4 * (number // 2) + 2 * index + node_port_shift}' if has_node_port(number) else ""
        ports.append(f'{{"name":"{port_name}","protocol":"{protocol}","port":{port},"targetPort":{port}{node_port}}}')
    address = ipaddress.ip_address(_SERVICE_ADDRESSES + 256 + number)
    local = "Local" if _is_local(number) else "Cluster"
    policy = f'"externalTrafficPolicy":"{local}",' if has_node_port(number) else ""
    ingress = f'"ingress":[{{"ip":"198.18.{number >> 8}.{number & 255}","ipMode":"VIP"}}]' if kind == "LoadBalancer" else ""
    health = f'"healthCheckNodePort":{60000 + number // 20 % 5000},' if kind == "LoadBalancer" and _is_local(number) else ""
    return (
        f'{{"metadata":{{"name":"{short}","namespace":"{space}","uid":"d7ee2b2b-dae8-40b4-92f2-{number:012d}","resourceVersion":'
        f'"{version}","creationTimestamp":"{_TIME}","labels":{{"app.kubernetes.io/name":"{short}","app.kubernetes.io/part-of":'
        f'"{space}"}},{_MANAGED_SERVICE}}},"spec":{{"ports":[{",".join(ports)}],"clusterIP":"{address}","clusterIPs":["{address}"],'
        f'"type":"{kind}","sessionAffinity":"{"ClientIP" if _has_affinity(number) else "None"}",{policy}{health}"ipFamilies":'
        f'["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}},"status":{{"loadBalancer":{{{ingress}}}}}}}'
    )


def pod(number: int, index: int, generation: int) -> str:
    """The endpoint of the Service in place `index`; each generation is another pod."""
    address = ipaddress.ip_address(_POD_ADDRESSES + 1 + (number * 10 + index) * 8 + generation % 8)
    place = (number * 10 + index) % 97
    state = (generation + place) % 33
    ready, terminating = ("false", "true") if state == 1 else ("false", "false") if state == 2 else ("true", "false")
    node = NODE if place == 0 else f"ip-10-0-{place}-13.us-west-2.compute.internal"
    space, short = name(number)
    return (
        f'{{"addresses":["{address}"],"conditions":{{"ready":{ready},"serving":{ready},"terminating":{terminating}}},"targetRef":'
        f'{{"kind":"Pod","namespace":"{space}","name":"{short}-{generation:09x}-{index}","uid":"128b2f33-0c5c-4fd0-a6a3-'
        f'{generation:012d}"}},"nodeName":"{node}","zone":"us-west-2{"abc"[place % 3]}"}}'
    )


def endpoint_slice(number: int, version: int, generations: list[int]) -> str:
    space, short = name(number)
    ports = ",".join(f'{{"name":"{n}","protocol":"{protocol}","port":{port}}}' for n, protocol, port in _ports(number))
    endpoints = ",".join(pod(number, index, generation) for index, generation in enumerate(generations))
    return (
        f'{{"metadata":{{"name":"{short}-997b0","namespace":"{space}","uid":"3ba36081-47be-49ad-9cd5-{number:012d}","resourceVersion":'
        f'"{version}","generation":1,"creationTimestamp":"{_TIME}","labels":{{"endpointslice.kubernetes.io/managed-by":'
        f'"endpointslice-controller.k8s.io","kubernetes.io/service-name":"{short}"}},{_MANAGED_SLICE}}},"addressType":"IPv4",'
        f'"endpoints":[{endpoints}],"ports":[{ports}]}}'
    )


def node(version: int) -> str:
    return json.dumps({
        "metadata": {"name": NODE, "resourceVersion": str(version)},
        "spec": {},
        "status": {"addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}, {"type": "Hostname", "address": NODE}]},
    })


def listed(plural: str, items: list[str], version: int) -> bytes:
    kind, api = _TYPES[plural]
    head = f'{{"kind":"{kind}List","apiVersion":"{api}","metadata":{{"resourceVersion":"{version}"}},"items":['
    return (head + ",".join(items) + "]}\n").encode()


def event(what: str, plural: str, item: str) -> bytes:
    return f'{{"type":"{what}","object":{{{_TYPED[plural]}{item[1:]}}}\n'.encode()


def last_bookmark(plural: str, version: int) -> bytes:
    """What ends a streaming list."""
    annotations = '{"k8s.io/initial-events-end":"true"}'
    return event("BOOKMARK", plural, f'{{"metadata":{{"resourceVersion":"{version}","annotations":{annotations}}}}}')


def expired(version: int) -> bytes:
    """What a watch says last that has fallen too far behind."""
    status = {"kind": "Status", "apiVersion": "v1", "reason": "Expired", "code": 410, "message": f"too old resource version: {version}"}
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
