# SPDX-License-Identifier: Apache-2.0
"""Rules of the form that kube-proxy writes in its nftables and iptables modes, IPv4, for Services of policy Cluster
with ready endpoints.

What is left out can see none of the packets measured: chains and sets of features that no Service here uses stay as
the empty chains and sets that kube-proxy makes all the same; the iptables form has no `nfacct` counter on its INVALID
rule (it needs an object that another tool makes) and no canary chains.
"""

import base64
import hashlib
from collections.abc import Iterator

from shuntlab.namespace import Namespace

from . import places
from .services import PORTS, Service

MARK = "0x00004000"
TRANSACTION = 1000  # Services


def _digest(text: str, length: int) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:length]


def _ports(services: list[Service]) -> Iterator[tuple[Service, str, str, int]]:
    """Service, its port's name, protocol and number, in kube-proxy's words."""
    for service in services:
        for name in service.ports:
            protocol, port = PORTS[name]
            yield service, name, protocol.lower(), port


def nftables(services: list[Service]) -> Iterator[str]:
    """As `nft -f` reads it, in several transactions: the time of one is quadratic in its chains. Chains stand before
    the map elements that go to them."""
    yield _NFTABLES.format(node=places.NODE.v4, mark=MARK)
    for first in range(0, len(services), TRANSACTION):
        chains = map(_nftables_chains, _ports(services[first : first + TRANSACTION]))
        yield f"table ip kube-proxy {{\n{''.join(chains)}}}\n"
    cluster_ips, service_ips, node_ports = [], [], []
    for service, port_name, protocol, port in _ports(services):
        tag = _tag(service, port_name, protocol)
        cluster_ips.append(service.cluster_ip.v4)
        service_ips.append(f"{service.cluster_ip.v4} . {protocol} . {port} : goto service-{tag}")
        node_ports.append(f"{protocol} . {service.node_port} : goto external-{tag}")
    elements = {"cluster-ips": dict.fromkeys(cluster_ips), "service-ips": service_ips, "service-nodeports": node_ports}
    for name, values in elements.items():
        yield f"add element ip kube-proxy {name} {{ {', '.join(values)} }}\n"


def _tag(service: Service, port_name: str, protocol: str) -> str:
    name = f"{service.name}/{protocol}/{port_name}"
    return f"{_digest(name, 8)}-{name}"


def _nftables_chains(service_port: tuple[Service, str, str, int]) -> str:
    service, port_name, protocol, port = service_port
    tag = _tag(service, port_name, protocol)
    chains, choices = [], []
    for number, (_, pod) in enumerate(service.endpoints):
        end = f"{tag.split('-', 1)[1]}__{pod.v4}/{places.POD_PORT}"
        chain = f"endpoint-{_digest(end, 8)}-{end}"
        choices.append(f"{number} : goto {chain}")
        chains.append(f"""\
	chain {chain} {{
		ip saddr {pod.v4} jump mark-for-masquerade
		meta l4proto {protocol} dnat to {pod.v4}:{places.POD_PORT}
	}}
""")
    return f"""\
{"".join(chains)}	chain service-{tag} {{
		ip daddr {service.cluster_ip.v4} {protocol} dport {port} ip saddr != {places.CLUSTER_CIDR} jump mark-for-masquerade
		numgen random mod {len(choices)} vmap {{ {", ".join(choices)} }}
	}}
	chain external-{tag} {{
		jump mark-for-masquerade
		goto service-{tag}
	}}
"""


_NFTABLES = """\
table ip kube-proxy {{
	comment "rules for kube-proxy"
	set cluster-ips {{
		type ipv4_addr
	}}
	set nodeport-ips {{
		type ipv4_addr
		elements = {{ {node} }}
	}}
	map no-endpoint-services {{
		type ipv4_addr . inet_proto . inet_service : verdict
	}}
	map no-endpoint-nodeports {{
		type inet_proto . inet_service : verdict
	}}
	map firewall-ips {{
		type ipv4_addr . inet_proto . inet_service : verdict
	}}
	chain mark-for-masquerade {{
		meta mark set meta mark | {mark}
	}}
	chain masquerading {{
		meta mark & {mark} == 0x00000000 return
		meta mark set meta mark ^ {mark}
		masquerade fully-random
	}}
	chain cluster-ips-check {{
		ip daddr @cluster-ips reject
	}}
	map service-ips {{
		type ipv4_addr . inet_proto . inet_service : verdict
	}}
	map service-nodeports {{
		type inet_proto . inet_service : verdict
	}}
	chain nodeport-endpoints-check {{
		ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
	}}
	chain service-endpoints-check {{
		ip daddr . meta l4proto . th dport vmap @no-endpoint-services
	}}
	chain firewall-check {{
		ip daddr . meta l4proto . th dport vmap @firewall-ips
	}}
	chain services {{
		ip daddr . meta l4proto . th dport vmap @service-ips
		ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
	}}
	chain filter-prerouting {{
		type filter hook prerouting priority dstnat - 10; policy accept;
		ct state new jump firewall-check
	}}
	chain filter-input {{
		type filter hook input priority -110; policy accept;
		ct state new jump nodeport-endpoints-check
		ct state new jump service-endpoints-check
	}}
	chain filter-forward {{
		type filter hook forward priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}}
	chain filter-output {{
		type filter hook output priority -110; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump firewall-check
	}}
	chain filter-output-post-dnat {{
		type filter hook output priority -90; policy accept;
		ct state new jump cluster-ips-check
	}}
	chain nat-prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}}
	chain nat-output {{
		type nat hook output priority -100; policy accept;
		jump services
	}}
	chain nat-postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		jump masquerading
	}}
}}
"""


def iptables(services: list[Service]) -> str:
    """As `iptables-restore` reads it."""
    chains, head, node_ports, rules = [], [], [], []
    for service, port_name, protocol, port in _ports(services):
        name = f"{service.name}:{port_name}"
        tag = _digest(f"{name}{protocol}", 16)
        cluster_ip = service.cluster_ip.v4
        chains += [f"KUBE-SVC-{tag}", f"KUBE-EXT-{tag}"]
        to_cluster_ip = (
            f'-d {cluster_ip}/32 -p {protocol} -m comment --comment "{name} cluster IP" -m {protocol} --dport {port}'
        )
        head.append(f"-A KUBE-SERVICES {to_cluster_ip} -j KUBE-SVC-{tag}")
        node_ports.append(
            f'-A KUBE-NODEPORTS -p {protocol} -m comment --comment "{name}" '
            f"-m {protocol} --dport {service.node_port} -j KUBE-EXT-{tag}"
        )
        rules += [
            f'-A KUBE-EXT-{tag} -m comment --comment "masquerade traffic for {name} external destinations" '
            "-j KUBE-MARK-MASQ",
            f"-A KUBE-EXT-{tag} -j KUBE-SVC-{tag}",
            f"-A KUBE-SVC-{tag} ! -s {places.CLUSTER_CIDR} {to_cluster_ip} -j KUBE-MARK-MASQ",
        ]
        for number, (_, pod) in enumerate(service.endpoints):
            end = f"{pod.v4}:{places.POD_PORT}"
            endpoint = f"KUBE-SEP-{_digest(f'{name}{protocol}{end}', 16)}"
            chains.append(endpoint)
            left = len(service.endpoints) - number
            chance = f" -m statistic --mode random --probability {1 / left:.11f}" if left > 1 else ""
            rules += [
                f'-A KUBE-SVC-{tag} -m comment --comment "{name} -> {end}"{chance} -j {endpoint}',
                f'-A {endpoint} -s {pod.v4}/32 -m comment --comment "{name}" -j KUBE-MARK-MASQ',
                f'-A {endpoint} -p {protocol} -m comment --comment "{name}" -m {protocol} '
                f"-j DNAT --to-destination {end}",
            ]
    head.append(
        f'-A KUBE-SERVICES -d {places.NODE.v4}/32 -m comment --comment "kubernetes service nodeports; NOTE: this must '
        'be the last rule in this chain" -j KUBE-NODEPORTS'
    )
    declared = "".join(f":{chain} - [0:0]\n" for chain in chains)
    return _IPTABLES.format(declared=declared, rules="\n".join(node_ports + head + rules))


_IPTABLES = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
{declared}-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
{rules}
COMMIT
"""


def load_nftables(space: Namespace, services: list[Service]) -> None:
    for transaction in nftables(services):
        space.run(["nft", "-f", "-"], input_text=transaction, timeout=300)


def load_iptables(space: Namespace, services: list[Service]) -> None:
    space.run(["iptables-restore"], input_text=iptables(services), timeout=300)
