# SPDX-License-Identifier: Apache-2.0
"""What the AWS Load Balancer Controller makes of an Ingress: rules from paths to node ports."""

from .webserver import Rule


class IngressError(Exception):
    """The Ingress names something that is not there."""


def rules(objects: list[dict]) -> list[Rule]:
    """Of all Ingress objects; `objects` also hold the Services that they name."""
    services = {(o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in objects if o["kind"] == "Service"}
    found = []
    for ingress in (o for o in objects if o["kind"] == "Ingress"):
        namespace = ingress["metadata"].get("namespace")
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = services.get((namespace, backend["name"]))
                if service is None:
                    raise IngressError(f"{path['path']}: no Service {namespace}/{backend['name']}")
                node_port = _node_port(service, backend["port"])
                found.append(Rule(path["path"], path.get("pathType", "Prefix"), backend["name"], node_port))
    return found


def _node_port(service: dict, wanted: dict) -> int:
    for port in service["spec"]["ports"]:
        if port["port"] == wanted.get("number") or port.get("name", "") == wanted.get("name"):
            return port["nodePort"]
    raise IngressError(f"Service {service['metadata']['name']} has no port {wanted}")
