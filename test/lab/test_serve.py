# SPDX-License-Identifier: Apache-2.0
"""What the agent serves over HTTP: health checks as kube-proxy's, healthCheckNodePorts, metrics, and what becomes of a
port that is taken."""

import json
import socket
import unittest

import yaml
from shuntlab import actors, frontends, manifests, requests
from shuntlab.case import LabCase, figure
from shuntlab.lab import PROJECT
from shuntlab.namespace import Namespace, run
from shuntlab.requests import Target
from shuntlab.scrape import Scrape, expressions, metrics_in, promtool

HEALTHZ, METRICS = 10356, 10349  # beside kube-proxy
KUBE_PROXYS = (10256, 10249)
SERVICE = "lab/checked"
HEALTH_PORT = 30990
# PROXY, TCP over IPv4, 192.0.2.1:40000 to 192.0.2.2:443.
PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 192, 0, 2, 2, 0x9C, 0x40, 1, 0xBB])


def curl(space: Namespace, url: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body; status 0: nobody listens."""
    result = space.run(["curl", "-sS", "-i", "-g", "--max-time", "5", url], check=False)
    if result.returncode == 7:
        return 0, {}, ""
    head, _, body = result.stdout.partition("\n\n")
    lines = head.splitlines()
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:]), body


class Served(LabCase):
    def setUp(self):
        self.agent = self.lab.agents["node-a"]
        self.space = self.agent.space

    def restart(self, *arguments: str) -> None:
        self.agent.stop()
        self.agent.more_arguments = arguments
        self.agent.start()

    def scrape(self, port: int = METRICS) -> Scrape:
        status, headers, body = curl(self.space, f"http://127.0.0.1:{port}/metrics")
        self.assertEqual(status, 200)
        self.assertIn("version=0.0.4", headers["Content-Type"])
        return Scrape(body)

    def traffic_flows(self) -> None:
        for frontend in frontends.ALL:
            with self.in_client():
                self.assertTrue(requests.http(frontend.target(4, "http")).pod)

    # --- beside kube-proxy

    def test_1_health_beside_kube_proxy(self):
        for address in (f"127.0.0.1:{HEALTHZ}", f"{actors.NODE_A.underlay1.v4}:{HEALTHZ}"):
            space = self.space if address.startswith("127") else self.lab.spaces["client"]
            status, headers, body = curl(space, f"http://{address}/healthz")
            self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            said = json.loads(body)
            self.assertEqual(list(said), ["lastUpdated", "currentTime", "nodeEligible", "healthy"])
            self.assertEqual((said["nodeEligible"], said["healthy"]), (True, True))
        status, _, body = curl(self.space, f"http://127.0.0.1:{HEALTHZ}/livez")
        self.assertEqual((status, list(json.loads(body))), (200, ["lastUpdated", "currentTime", "healthy"]))
        figure(f"livez: {body}")
        for port in KUBE_PROXYS:
            self.assertEqual(curl(self.space, f"http://127.0.0.1:{port}/healthz")[0], 0, "that port is kube-proxy's")
        self.assertEqual(curl(self.lab.spaces["client"], f"http://{actors.NODE_A.underlay1.v4}:{METRICS}/metrics")[0], 0)

    def test_2_metrics(self):
        for _ in range(20):
            self.traffic_flows()
        scrape = self.scrape()
        checked = promtool("check", "metrics", text=scrape.text)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))
        for service, pods in manifests.LAB_PODS.items():
            labels = dict(zip(("namespace", "service"), service.split("/"), strict=True), port=str(actors.HTTP_PORT), protocol="TCP")
            self.assertEqual(scrape.sum("shunt_service_flows_opened_total", **labels), 20, service)
            ports = scrape.sum("shunt_service_snat_ports_in_use", **labels)
            self.assertEqual(ports > 0, any(actors.PODS[pod].node == "node-b" for pod in pods), service)
        self.assertGreater(scrape.sum("shunt_packets_forwarded_total", path="remote_reply"), 0)
        self.assertEqual(scrape.sum("shunt_flow_events_total", event="opened"), 60)
        self.assertEqual(scrape.sum("shunt_devices"), 2)
        self.assertEqual(scrape.sum("shunt_device_problems"), 0)
        self.assertGreater(scrape.sum("shunt_map_entries", map="backends"), 0)
        self.assertEqual(scrape.sum("kubeproxy_proxy_healthz_total", code="200"), 2)
        self.assertGreater(scrape.sum("kubeproxy_sync_proxy_rules_service_changes_total"), 0)
        figure(f"a scrape: {len(scrape.samples)} series, {len(scrape.text)} bytes, gathered in {1000 * scrape.sum('shunt_scrape_duration_seconds'):.1f} ms")

    def test_3_dashboard_and_alerts_use_what_there_is(self):
        curl(self.space, f"http://127.0.0.1:{HEALTHZ}/healthz")
        curl(self.space, f"http://127.0.0.1:{HEALTHZ}/livez")
        there = self.scrape().names
        used = set().union(*(metrics_in(expression) for expression in expressions(PROJECT / "deploy")))
        self.assertGreater(len(used), 20)
        self.assertEqual(used - there, set())
        checked = promtool("check", "rules", str(PROJECT / "deploy" / "alerts.yaml"))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        figure(f"dashboard and alerts: {len(used)} metrics; promtool: {checked.stdout.split(chr(10))[1].strip()}")

    def test_4_port_that_is_taken(self):
        """By an IPv4 listener on healthz' port, before the agent starts."""
        self.agent.stop()
        with self.space.inside():
            other = socket.create_server(("0.0.0.0", HEALTHZ))
        with other:
            self.agent.start(wait=False)
            self.eventually(lambda: "already in use" in self.agent.command("status").stdout, "status names the port")
            self.traffic_flows()
            status = self.agent.command("status", "--wait", "20")
            self.assertEqual(status.returncode, 1)
            line = next(line for line in status.stdout.splitlines() if "already in use" in line)
            self.assertIn(f"0.0.0.0:{HEALTHZ}", line)
            self.assertIn(f"listen on 0.0.0.0:{HEALTHZ} for healthz", self.agent.log())
            self.assertEqual(self.scrape().sum("shunt_ports_not_listening"), 1)
            figure(f"a taken port: {line.strip()}")
        took = self.eventually(lambda: curl(self.space, f"http://127.0.0.1:{HEALTHZ}/healthz")[0] == 200, "the port is taken over")
        self.eventually(lambda: self.agent.command("status").returncode == 0, "status is good again")
        figure(f"the port was free: served {took:.2f} s later")

    def test_5_a_draining_node_fails_health_first(self):
        path = self.lab.manifests.folder / "nodes.yaml"
        nodes = yaml.safe_load(path.read_text())
        self.addCleanup(self.lab.manifests.put, path.name, [yaml.safe_load(path.read_text())])
        nodes["items"][0]["spec"] = {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}
        self.lab.manifests.put(path.name, [nodes])
        url = f"http://127.0.0.1:{HEALTHZ}"
        took = self.eventually(lambda: curl(self.space, f"{url}/healthz")[0] == 503, "healthz fails")
        figure(f"tainted: healthz fails after {1000 * took:.0f} ms, traffic goes on")
        self.assertIn('"nodeEligible": false', curl(self.space, f"{url}/healthz")[2])
        self.assertEqual(curl(self.space, f"{url}/livez")[0], 200)
        self.traffic_flows()

    def test_7_maps_of_another_abi(self):
        """The agent refuses them, says so where people look, and does not stand in the way of the next step."""
        self.agent.stop()
        control = ["bpftool", "map", "update", "pinned", str(self.agent.pin_dir / "control"), "key", *"0000", "value"]
        run([*control, "99", *["0"] * 23])
        self.agent.start(wait=False)
        url = f"http://127.0.0.1:{HEALTHZ}/healthz"
        self.eventually(lambda: curl(self.space, url)[0] == 503, "health fails")
        self.assertIn("ABI 99", curl(self.space, url)[2])
        self.assertEqual(self.scrape().sum("shunt_abi_mismatch"), 1)
        self.assertEqual(self.agent.command("detach", "--purge").returncode, 0)
        self.eventually(lambda: self.agent.process.poll() == 1, "the agent ends, to be started again")
        self.agent.start()
        self.traffic_flows()

    # --- in the place of kube-proxy

    def put_checked(self, pods: tuple[str, ...], **conditions: bool) -> None:
        port = (("http", "TCP", actors.HTTP_PORT),)
        spec = {"externalTrafficPolicy": "Local", "healthCheckNodePort": HEALTH_PORT, "type": "LoadBalancer"}
        service = manifests.service(SERVICE, (30991,), port, number=91, **spec)
        self.lab.manifests.put("checked.json", [service, *manifests.slices(SERVICE, pods, port, **conditions)])

    def check(self, family: int = 4) -> tuple[int, dict[str, str], str]:
        return curl(self.lab.spaces["client"], f"http://{actors.NODE_A.underlay1.host(family)}:{HEALTH_PORT}/healthz")

    def test_6_health_check_node_port(self):
        self.restart("--replace")
        self.addCleanup(self.restart)
        self.put_checked(("a1", "a2", "b1"))
        for family in actors.FAMILIES:
            took = self.eventually(lambda family=family: self.check(family)[0] == 200, "the port is open")
            status, headers, body = self.check(family)
            self.assertEqual(headers["X-Load-Balancing-Endpoint-Weight"], "2")
            self.assertEqual(headers["Content-Type"], "application/json")
            expected = {
                "service": {"namespace": "lab", "name": "checked"},
                "localEndpoints": 2,
                "serviceProxyHealthy": True,
            }
            self.assertEqual(json.loads(body), expected)
        figure(f"healthCheckNodePort: open {1000 * took:.0f} ms after IPv4's")
        for port in KUBE_PROXYS:
            path = "healthz" if port == KUBE_PROXYS[0] else "metrics"
            self.assertEqual(curl(self.space, f"http://127.0.0.1:{port}/{path}")[0], 200)
        self.assertEqual(self.scrape(KUBE_PROXYS[1]).sum("shunt_health_node_ports"), 1)

        with self.subTest("a PROXY v2 header before the request"), self.in_client():
            with requests.connect(Target(4, actors.NODE_A.underlay1.v4, HEALTH_PORT)) as connection:
                connection.sendall(PROXY_V2 + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer)
        with self.subTest("only terminating endpoints here"):
            self.put_checked(("a1", "a2"), ready=False, terminating=True)
            self.eventually(lambda: self.check()[0] == 503, "the check fails")
            self.assertEqual(json.loads(self.check()[2])["localEndpoints"], 0)
        with self.subTest("endpoints elsewhere only"):
            self.put_checked(("b1", "b2"))
            no_local = "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
            is_counted = lambda: self.scrape(KUBE_PROXYS[1]).sum(no_local, ip_family="IPv4") == 1  # noqa: E731
            self.eventually(is_counted, "the port without a local endpoint is counted")
            self.assertEqual(self.check()[0], 503)
        with self.subTest("the Service goes"):
            self.lab.manifests.remove("checked.json")
            self.eventually(lambda: self.check()[0] == 0, "the port is closed")


if __name__ == "__main__":
    unittest.main()
