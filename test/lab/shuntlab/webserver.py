# SPDX-License-Identifier: Apache-2.0
"""nginx: in every pod as the application, and in a namespace of its own as the ALB.

Each has its configuration, logs and temporary files in a folder of the lab; nothing of /etc/nginx is read.
"""

from dataclasses import dataclass
from pathlib import Path

from . import actors
from .actors import Pod

_MAIN = """\
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/json;
{http}}}
"""

_POD = """\
    log_format seen '$msec [$remote_addr]:$remote_port $request_uri';
    access_log {folder}/access.log seen;
    keepalive_requests 1000000;
    server {{
        listen 80 backlog=2048;
        listen [::]:80 backlog=2048;
        listen {port} backlog=2048;
        listen [::]:{port} backlog=2048;
        location / {{
            set $seen '"client":"$remote_addr","port":$remote_port,"for":"$http_x_forwarded_for"';
            return 200 '{{"pod":"{pod}",$seen,"uri":"$request_uri"}}\\n';
        }}
    }}
"""


def write_pod(folder: Path, pod: Pod) -> list[str]:
    """Writes the configuration and returns the command that runs it."""
    return _write(folder, _POD.format(folder=folder, port=actors.HTTP_PORT, pod=pod.name))


@dataclass(frozen=True)
class Rule:
    """One path of the Ingress and the NodePort behind it."""

    path: str
    path_type: str
    service: str
    node_port: int


def write_alb(folder: Path, rules: list[Rule]) -> list[str]:
    """Listens on port 80 of both families and speaks to the nodes in the family in which it was spoken to. An
    upstream that fails is not tried again elsewhere: that would hide failures of the path under test."""
    servers = []
    for family, listen in ((4, "80"), (6, "[::]:80")):
        for rule in rules:
            nodes = actors.NODES.values()
            targets = "".join(f" server {node.underlay1.host(family)}:{rule.node_port};" for node in nodes)
            servers.append(f"    upstream {rule.service}-v{family} {{{targets} }}\n")
        locations = "".join(
            f"        location {match} {{ proxy_pass http://{rule.service}-v{family}; }}\n"
            for rule in rules
            for match in _matches(rule)
        )
        servers.append(f"    server {{\n        listen {listen};\n{locations}    }}\n")
    http = (
        f"    access_log {folder}/access.log;\n"
        "    proxy_next_upstream off;\n"
        "    proxy_set_header Host $host;\n"
        "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n" + "".join(servers)
    )
    return _write(folder, http)


def _matches(rule: Rule) -> list[str]:
    """`Prefix` goes by whole elements: /v1/order matches /v1/order/7 and not /v1/orders."""
    exact = f"= {rule.path}"
    return [exact] if rule.path_type == "Exact" else [exact, rule.path.rstrip("/") + "/"]


def _write(folder: Path, http: str) -> list[str]:
    folder.mkdir(mode=0o755)
    configuration = folder / "nginx.conf"
    configuration.write_text(_MAIN.format(folder=folder, http=http))
    return ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration), "-g", "daemon off;"]
