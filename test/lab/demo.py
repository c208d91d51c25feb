# SPDX-License-Identifier: Apache-2.0
"""The demo: the main job shown claim by claim. Run it through test/demo, which builds first."""

import argparse
import json
import platform
import sys
import time
from collections import Counter

from shuntlab import actors, lab, manifests, openloop, patience
from shuntlab.background import Background
from shuntlab.claims import Claims
from shuntlab.lab import Lab
from shuntlab.requests import Target

DEAD_SECONDS = 6.0  # past the 5 s after which flows take the agent's heartbeat for stale


class Demo:
    def __init__(self, running: Lab, claims: Claims, per_second: int):
        self.lab = running
        self.claims = claims
        self.per_second = per_second

    def run(self) -> None:
        for family in actors.FAMILIES:
            self.claims.heading(f"From the wire to a pod, IPv{family}")
            self.node_ports(family)
            self.vips(family)
            self.alb(family)
        self.claims.heading("While requests run")
        self.pod_taken_out()
        self.agents_killed()
        self.claims.heading("What the engineer on the node sees")
        self.commands()
        self.no_netfilter()

    # --- requests ---

    def curl(self, url: str, times: int = 1) -> tuple[str, list[dict]]:
        """The command as shown, and what was answered."""
        # -g: brackets of an IPv6 address are no pattern. -0: HTTP/1.0, so that each request has its own connection.
        command = ["curl", "-0gsS", "--max-time", str(3 * patience.FACTOR), *[url] * times]
        result = self.lab.spaces["client"].run(command, check=False)
        answers = [json.loads(line) for line in result.stdout.splitlines()] if result.returncode == 0 else []
        shown = f"client$ curl -0 '{url}'" + (f" x {times}" if times > 1 else "")
        return shown, answers

    def one(self, what: str, url: str, pods: tuple[str, ...], seen: str, expected_client: str) -> None:
        """`seen`: a word for whom the pod must see; `expected_client`: that address."""
        command, answers = self.curl(url)
        if not answers:
            self.claims.claim(False, what, command, "no answer")
            return
        answer = answers[0]
        holds = answer["pod"] in pods and answer["client"] == expected_client
        saw = _pair(answer["client"], answer["port"])
        self.claims.claim(holds, what, command, f"{answer['pod']} answered, saw {saw} ({seen})")

    def node_ports(self, family: int) -> None:
        a, b = actors.NODE_A.underlay1, actors.NODE_B.underlay1
        port, pods = manifests.PAYMENTS_NODE_PORT, manifests.PAYMENTS_PODS
        self.spread(f"http://{a.host(family)}:{manifests.ORDERS_NODE_PORT}/")
        for what, node, seen, client in (
            ("NodePort of a node with a pod of the Service", b, "the client itself", actors.CLIENT),
            ("NodePort of a node without one", a, "node-a", a),
        ):
            self.one(what, f"http://{node.host(family)}:{port}/", pods, seen, client.of(family))

    def spread(self, url: str) -> None:
        times = 60
        command, answers = self.curl(url, times)
        counts = Counter(answer["pod"] for answer in answers)
        holds = len(answers) == times and set(counts) == set(manifests.ORDERS_PODS)
        shares = ", ".join(f"{pod} {counts[pod]}" for pod in manifests.ORDERS_PODS)
        what = "NodePort 32001, three pods over two nodes"
        self.claims.claim(holds, what, command, f"{len(answers)} answers: {shares}")

    def vips(self, family: int) -> None:
        for vip, what, seen, client in (
            (actors.VIP_NODE_A, "VIP, routed to a node without a pod", "node-a", actors.NODE_A.underlay1),
            (actors.VIP_NODE_B, "VIP, routed to a node with pods", "the client itself", actors.CLIENT),
        ):
            url = f"http://{vip.host(family)}:{manifests.PAYMENTS_PORT}/"
            self.one(what, url, manifests.PAYMENTS_PODS, seen, client.of(family))

    def alb(self, family: int) -> None:
        for path, pods in (("/v1/order", manifests.ORDERS_PODS), ("/v1/payment", manifests.PAYMENTS_PODS)):
            command, answers = self.curl(f"http://{actors.ALB.host(family)}{path}")
            answer = answers[0] if answers else {"pod": "nobody", "client": "-", "for": "-"}
            proxies = {node.underlay1.of(family): name for name, node in actors.NODES.items()}
            proxies[actors.ALB.of(family)] = "the ALB"
            holds = answer["pod"] in pods and answer["client"] in proxies and answer["for"] == actors.CLIENT.of(family)
            saw = f"{answer['client']} ({proxies.get(answer['client'], '?')})"
            answered = f"{answer['pod']} answered, saw {saw} for {answer['for']}"
            self.claims.claim(holds, f"ALB, {path} to a NodePort", command, answered)

    # --- under load ---

    def load(self, targets: list[Target], first_source_port: int) -> Background:
        return Background(self.lab.spaces["client"], openloop.run, targets, self.per_second, first_source_port)

    def pod_taken_out(self) -> None:
        targets = [Target(f, actors.NODE_A.underlay1.of(f), manifests.ORDERS_NODE_PORT) for f in actors.FAMILIES]
        load = self.load(targets, 20001)
        time.sleep(1.5)
        left = tuple(pod for pod in manifests.ORDERS_PODS if pod != "a2")
        self.lab.manifests.put_endpoints(manifests.ORDERS, left)
        changed = time.monotonic()
        in_force = self.wait_until_in_force("a2")
        time.sleep(2)
        attempts = load.stop()
        self.lab.manifests.put_endpoints(manifests.ORDERS, manifests.ORDERS_PODS)
        before = [a for a in attempts if a.finished < changed and a.answer and a.answer.pod == "a2"]
        after = openloop.between(attempts, in_force, time.monotonic())
        to_a2 = [a for a in after if a.answer and a.answer.pod == "a2"]
        failed = openloop.failures(attempts)
        self.claims.claim(
            not failed and not to_a2 and bool(before) and bool(after),
            "a pod leaves its EndpointSlice",
            f"mv slices-shop-orders-service.yaml {self.lab.manifests.folder.name}/",
            f"{len(attempts)} requests, {len(failed)} failures; "
            f"to a2 {len(before)} before, {len(to_a2)} of {len(after)} after",
        )

    def wait_until_in_force(self, pod: str) -> float:
        """When node-a's maps no longer give new flows to the pod."""
        agent = self.lab.agents["node-a"]
        deadline = time.monotonic() + 5 * patience.FACTOR
        while agent.takes_new_flows(manifests.ORDERS, actors.PODS[pod].address) and time.monotonic() < deadline:
            time.sleep(0.02)
        return time.monotonic()

    def agents_killed(self) -> None:
        a = actors.NODE_A.underlay1
        targets = [
            target
            for f in actors.FAMILIES
            for target in (
                Target(f, a.of(f), manifests.ORDERS_NODE_PORT),
                Target(f, a.of(f), manifests.PAYMENTS_NODE_PORT),
                Target(f, actors.VIP_NODE_B.of(f), manifests.PAYMENTS_PORT),
            )
        ]
        load = self.load(targets, 25001)
        time.sleep(1)
        pids = [agent.kill() for agent in self.lab.agents.values()]
        died = time.monotonic()
        time.sleep(DEAD_SECONDS)
        restarted = time.monotonic()
        for agent in self.lab.agents.values():
            agent.start(wait=False)
        for agent in self.lab.agents.values():
            agent.wait_synced()
        time.sleep(1)
        attempts = load.stop()
        dead = openloop.between(attempts, died, restarted)
        failed = openloop.failures(attempts)
        self.claims.claim(
            not failed and len(dead) >= self.per_second * (DEAD_SECONDS - 1),
            "both agents killed and started again",
            f"kill -9 {' '.join(map(str, pids))}",
            f"{len(attempts)} requests, {len(failed)} failures; "
            f"{len(dead)} of them while no agent ran ({restarted - died:.1f} s)",
        )

    # --- on the node ---

    def commands(self) -> None:
        agent = self.lab.agents["node-a"]
        pins = ["--pin-dir", str(agent.pin_dir)]
        show_services = ["cat", str(agent.pin_dir / "show" / "services")]
        for what, argv, most_lines in (
            ("status", [str(agent.binary), "status", *pins], 40),
            ("all Services", [str(agent.binary), "services", *pins], 40),
            ("one Service", [str(agent.binary), "services", manifests.ORDERS, *pins], 40),
            ("live flows", [str(agent.binary), "flows", *pins], 10),
            ("counters", [str(agent.binary), "counters", *pins], 40),
            ("Services, without agent and binary", show_services, 12),
        ):
            result = agent.space.run(argv, check=False)
            shown = " ".join(argv).replace(str(agent.binary), "shunt").replace(f" --pin-dir {agent.pin_dir}", " --pin-dir P")
            lines = (result.stdout + result.stderr).splitlines()
            holds = result.returncode == 0 and bool(result.stdout.strip())
            self.claims.claim(holds, what, f"node-a$ {shown}", f"exit {result.returncode}, {len(lines)} lines")
            self.claims.show(lines[:most_lines])
            if len(lines) > most_lines:
                self.claims.show([f"... {len(lines) - most_lines} more"])

    def no_netfilter(self) -> None:
        for name in actors.NODES:
            space = self.lab.spaces[name]
            found = ""
            for command in (["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"]):
                result = space.run(command, check=False)
                found += result.stdout + (result.stderr if result.returncode else "")
            for table in ("ip_tables_names", "ip6_tables_names"):  # the legacy kind, asked without loading it
                try:
                    found += space.read_proc_net(table)
                except FileNotFoundError:
                    pass
            rules = found.strip().splitlines()
            command = f"{name}$ nft list ruleset; iptables-save; ip6tables-save"
            self.claims.claim(not rules, "no iptables or nftables rule", command, f"{len(rules)} lines")
            self.claims.show(rules[:20])


def _pair(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def introduce(running: Lab) -> None:
    a, b = actors.NODE_A.underlay1, actors.NODE_B.underlay1
    client = running.spaces["client"].path
    print(f"""
    client {actors.CLIENT.v4} ─────┐            ┌── node-a {a.v4}   orders-service: a1 a2
           {actors.CLIENT.v6}    ├── router ──┤
    ALB    {actors.ALB.v4} ───────┘            └── node-b {b.v4}   orders-service: b1   payments-service: b2 b3

    kernel {platform.release()}; client$ is nsenter --net={client}, node-a$ and node-b$ likewise""")


def how_to_walk_around(running: Lab) -> str:
    enter = f"nsenter --net=/run/netns/{running.prefix}-"
    agent = running.agents["node-a"]
    return f"""
The lab is up. Namespaces: {running.prefix}-client, -router, -alb, -node-a, -node-b, -a1 ... -b3.
  {enter}client curl http://{actors.NODE_A.underlay1.v4}:{manifests.ORDERS_NODE_PORT}/
  {enter}client curl -g 'http://[{actors.VIP_NODE_A.v6}]:{manifests.PAYMENTS_PORT}/'
  {enter}client curl http://{actors.ALB.v4}/v1/payment
  {enter}node-a {agent.binary} status --pin-dir {agent.pin_dir}
  {enter}node-a bash                                   # then: ip -d link, tc, bpftool, shunt ...
  cat {agent.pin_dir}/show/services
  ls {running.manifests.folder}   # what the agents read; change it (rename files into place) and look again
  tail -f {agent.log_path}
Remove it: test/demo --clean"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="test/demo")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--per-second", type=int, default=200, help="new connections while pods and agents come and go")
    options = parser.parse_args()
    if options.clean:
        removed = lab.clean()
        print(f"removed: {', '.join(removed) or 'nothing there'}")
        return 0

    claims = Claims()
    begin = time.monotonic()
    with Lab(example_only=True) as running:
        print(f"{'lab with both agents, ' + running.prefix + '-*':42}{time.monotonic() - begin:6.1f} s")
        introduce(running)
        Demo(running, claims, options.per_second).run()
        print(f"\n{claims.summary()} ({time.monotonic() - begin:.0f} s)")
        if options.keep:
            running.keep()
            print(how_to_walk_around(running))
    return 1 if claims.not_held else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
