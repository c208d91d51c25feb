# SPDX-License-Identifier: Apache-2.0
"""The contract with real sockets: silent endpoints, rolling replacement, UDP, refusals, policies, ranges, affinity.

Each test has a Service of its own, whose port differs from the lab's others on the same VIP."""

import collections
import itertools
import re
import socket
import struct
import time
import unittest

from shuntlab import actors, conversation, figures, manifests, openloop, requests
from shuntlab.case import LabCase, figure
from shuntlab.patience import FACTOR
from shuntlab.requests import Target

NAME = "lab/contract"
SHORT = NAME.split("/")[1]
FILE = "contract.json"
NODE_PORT, VIP_PORT, UDP_NODE_PORT, UDP_VIP_PORT = 30700, 9700, 30701, 9701
PORTS = (("http", "TCP", actors.HTTP_PORT), ("echo", "UDP", actors.ECHO_PORT))
VIP = actors.VIP_BOTH
NOBODY = actors.Addresses("198.19.2.99", "2001:db8:19:2::99")  # an address of node-b's pods that no pod has
SYN_AGAIN = 1.0  # seconds until a client's kernel sends a SYN once more
CLUSTER = "198.19.0.0/16,2001:db8:19::/48"


def ping(address: actors.Addresses, family: int, number: int) -> float:
    """How long the answer took. The kernel makes and judges the checksums of such a socket."""
    kind, protocol, asks, answers = (
        (socket.AF_INET, socket.IPPROTO_ICMP, 8, 0) if family == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129)
    )
    with socket.socket(kind, socket.SOCK_DGRAM, protocol) as asker:
        asker.settimeout(2 * FACTOR)
        begin = time.monotonic()
        asker.sendto(struct.pack("!BBHHH", asks, 0, 0, 0, number) + b"is there anybody", (address.of(family), 0))
        answer, (sender, *_) = asker.recvfrom(256)
        kind_of_answer, _, _, _, sequence = struct.unpack_from("!BBHHH", answer)
        if (kind_of_answer, sequence, sender, answer[8:]) != (answers, number, address.of(family), b"is there anybody"):
            raise ValueError(f"heard {answer!r} from {sender}")
        return time.monotonic() - begin


class Contract(LabCase):
    def setUp(self):
        self.agent = self.lab.agents["node-a"]
        self.addCleanup(self.take_away)

    # --- the Service

    def put(self, pods: tuple[str, ...], *, extra: tuple[actors.Addresses, ...] = (), terminating: tuple[str, ...] = (), **spec) -> None:
        """`extra`: addresses that are endpoints of node-b, too; `terminating`: of the pods, those that are, and still serve."""
        service = manifests.service(NAME, (NODE_PORT, UDP_NODE_PORT), PORTS, (VIP,), number=70, **spec)
        for port, number in zip(service["spec"]["ports"], (VIP_PORT, UDP_VIP_PORT), strict=True):
            port["port"] = number
        slices = manifests.slices(NAME, pods, PORTS)
        for piece, family in zip(slices, actors.FAMILIES, strict=True):
            for endpoint in piece["endpoints"]:
                if endpoint["targetRef"]["name"] in terminating:
                    endpoint["conditions"] = {"ready": False, "serving": True, "terminating": True}
            piece["endpoints"] += [
                {"addresses": [one.of(family)], "conditions": {"ready": True, "serving": True}, "nodeName": "node-b"} for one in extra
            ]
        self.lab.manifests.put(FILE, [service, *slices])
        new = {actors.PODS[pod].address.v4 for pod in pods} - {actors.PODS[pod].address.v4 for pod in terminating}
        new |= {one.v4 for one in extra}
        for agent in self.lab.agents.values():
            self.eventually(lambda agent=agent: self.served(agent) == new, f"{agent.node_name} has the endpoints {new}")

    def served(self, agent) -> set[str]:
        """The IPv4 addresses that are ready; before the Service is there, nobody's."""
        if agent.command("services", NAME).returncode != 0:
            return {"no such Service"}
        ports = agent.read_json("services", NAME)["services"]
        return {b["address"] for port in ports for b in port["backends"] if b["state"] == "ready" and ":" not in b["address"]}

    def take_away(self) -> None:
        if (self.lab.manifests.folder / FILE).exists():
            self.lab.manifests.remove(FILE)
        for agent in self.lab.agents.values():
            self.eventually(lambda agent=agent: SHORT not in agent.read("services"), "the Service is gone")

    def targets(self, port_name: str = "http") -> list[Target]:
        node_port, vip_port = (NODE_PORT, VIP_PORT) if port_name == "http" else (UDP_NODE_PORT, UDP_VIP_PORT)
        return [
            target
            for family in actors.FAMILIES
            for target in (Target(family, VIP.of(family), vip_port), Target(family, actors.NODE_A.underlay1.of(family), node_port))
        ]

    def counter(self, name: str) -> int:
        found = re.search(rf"^\S+\s+{name}\s+([\d,]+)", self.agent.read("counters"), re.MULTILINE)
        return int(found.group(1).replace(",", "")) if found else 0

    # --- pods that answer nothing

    def freeze(self, pod: str) -> None:
        """It hears and says nothing from now on but who it is: the kernel finds no way for what starts here, SYN-ACKs and resets
        included."""
        for family in actors.FAMILIES:
            self.lab.spaces[pod].run(["ip", f"-{family}", "rule", "add", "pref", "1", "iif", "lo", "blackhole"])
        self.addCleanup(self.thaw, pod)

    def thaw(self, pod: str) -> None:
        for family in actors.FAMILIES:
            self.lab.spaces[pod].run(["ip", f"-{family}", "rule", "del", "pref", "1"])

    def swallow(self, address: actors.Addresses) -> None:
        node = self.lab.spaces["node-b"]
        node.ip(f"route add blackhole {address.v4}/32\nroute add blackhole {address.v6}/128\n")
        self.addCleanup(node.ip, f"route del blackhole {address.v4}/32\nroute del blackhole {address.v6}/128\n")

    def test_1_rescue(self):
        """Of five endpoints two answer nothing, and Kubernetes calls all of them ready: a frozen pod here, an address elsewhere that
        nobody has. Every client connects with one retransmission at most."""
        self.put(("a1", "a2", "b1", "b2"), extra=(NOBODY,))
        self.freeze("a2")
        self.swallow(NOBODY)
        load = self.background("client", openloop.run, self.targets(), 80, 21001)
        time.sleep(6)
        attempts = load.stop()
        failed = openloop.failures(attempts)
        begin = min(attempt.started for attempt in attempts)
        first, later = openloop.between(attempts, begin, begin + 2), openloop.between(attempts, begin + 2, begin + 60)
        slow = [attempt for attempt in attempts if attempt.finished - attempt.started >= SYN_AGAIN * 0.9]
        slowest = max(attempt.finished - attempt.started for attempt in attempts)
        services = self.agent.read("services", NAME)
        figure(
            f"two of five endpoints silent: {len(attempts)} attempts, {len(attempts) - len(failed)} successes; "
            f"{len(slow)} waited for a retransmission, of these {len([one for one in slow if one in first])} in the first 2 s "
            f"({len(first)} attempts) and {len([one for one in slow if one in later])} later ({len(later)}); "
            f"slowest {figures.milliseconds(slowest)}"
        )
        figure(services)
        pods = collections.Counter(attempt.answer.pod for attempt in attempts if attempt.answer)
        figure(f"by pod: {dict(pods)}; {self.counter('FLOW_RESCUED')} rescued, {self.counter('FLOW_BACKEND_SKIPPED')} passed over")
        self.assertEqual([attempt.error for attempt in failed[:5]], [])
        self.assertLess(slowest, 2 * SYN_AGAIN, "more than one retransmission")
        self.assertEqual(set(pods), {"a1", "b1", "b2"})
        self.assertGreater(self.counter("FLOW_RESCUED"), 0)
        self.assertGreater(self.counter("FLOW_BACKEND_SKIPPED"), 0)
        share_of_slow = len([one for one in slow if one in later]) / len(later)
        self.assertLess(share_of_slow, 0.1, "new connections learn to pass the silent endpoints over")
        self.assertIn("rescued", services)

    def test_2_rolling_replacement(self):
        """Every endpoint is replaced, one after the other, as a Deployment does it: the new one becomes ready, the old one
        terminates, leaves the slice and is dead a second later. Connections come at a fixed schedule, none is tried twice."""
        now = ["a1", "b1"]
        self.put(tuple(now))
        load = self.background("client", openloop.run, self.targets(), 120, 25001)
        time.sleep(0.5)
        for old, new in (("a1", "a2"), ("b1", "b2"), ("a2", "a3"), ("b2", "b3")):
            self.put((*now, new))
            self.put((*now, new), terminating=(old,))
            time.sleep(0.3)
            now.remove(old)
            now.append(new)
            self.put(tuple(now))
            time.sleep(1)  # what was open ends
            self.freeze(old)
        time.sleep(0.5)
        attempts = load.stop()
        failed = openloop.failures(attempts)
        slowest = max(attempt.finished - attempt.started for attempt in attempts)
        pods = collections.Counter(attempt.answer.pod for attempt in attempts if attempt.answer)
        figure(
            f"rolling replacement of every endpoint, twice: {len(attempts)} attempts, {len(attempts) - len(failed)} successes, "
            f"{sum(attempt.answer.sent_again for attempt in attempts if attempt.answer)} segments sent again, "
            f"slowest {figures.milliseconds(slowest)}; by pod {dict(sorted(pods.items()))}"
        )
        self.assertEqual([attempt.error for attempt in failed[:5]], [])
        self.assertLess(slowest, SYN_AGAIN, "a SYN may have been lost and sent again")
        self.assertEqual(set(pods), {"a1", "a2", "a3", "b1", "b2", "b3"})
        self.assertGreater(len(attempts), 600)

    def test_3_udp_moves_at_once(self):
        for old, new in (("a1", "b1"), ("b1", "a1")):
            with self.subTest(f"{old} to {new}"):
                self.put((old,))
                talk = self.background("client", conversation.datagrams, self.targets("echo"), 29001 + 10 * ord(old[0]), 0.02)
                time.sleep(0.6)
                self.put((new,))
                time.sleep(0.6)
                talks = talk.stop()
                gap = max(one.gap for one in talks)
                lost = sum(one.sent - one.answered for one in talks)
                figure(
                    f"UDP, {old} gone, {new} there: {sum(one.sent for one in talks)} datagrams of {len(talks)} clients, {lost} "
                    f"without answer, longest silence {figures.milliseconds(gap)}"
                )
                for one in talks:
                    self.assertEqual((one.error, one.pods), ("", {old, new}), one)
                self.assertLess(gap, 0.5)

    def test_4_refused(self):
        self.put(())
        with self.in_client():
            for target in self.targets():
                begin = time.monotonic()
                with self.assertRaises(ConnectionRefusedError, msg=str(target)):
                    requests.http(target)
                figure(f"TCP {target}: refused after {figures.milliseconds(time.monotonic() - begin)}")
            for target in self.targets("echo"):
                begin = time.monotonic()
                with self.assertRaises(ConnectionRefusedError, msg=str(target)):
                    requests.udp(target)
                figure(f"UDP {target}: refused after {figures.milliseconds(time.monotonic() - begin)}")
        self.assertGreater(self.counter("ANSWERED_RESET"), 0)
        self.assertGreater(self.counter("ANSWERED_UNREACHABLE"), 0)

    def test_5_vip_beyond_its_ports(self):
        self.put(("a1", "b1"))
        self.lab.spaces["client"].sysctl(net__ipv4__ping_group_range="0 0")
        for family in actors.FAMILIES:
            with self.in_client():
                answers = [ping(VIP, family, number) for number in range(3)]
            figure(f"IPv{family}, echo to the VIP: answered after {', '.join(map(figures.milliseconds, answers))}")
            with self.in_client(), self.assertRaises(TimeoutError):
                requests.http(Target(family, VIP.of(family), VIP_PORT + 7), timeout=0.4)
        self.assertGreaterEqual(self.counter("ANSWERED_ECHO"), 6)
        self.assertGreaterEqual(self.counter("DROP_VIP_OTHER_PORT"), 2)

    def test_6_policy_local(self):
        self.restart("--cluster-cidr", CLUSTER)
        self.put(("a1", "b1"), externalTrafficPolicy="Local", healthCheckNodePort=30790)
        for index, target in enumerate(self.targets()):
            # Not the same port for two frontends: the pod could not tell their connections apart.
            for port in range(33001 + 100 * index, 33021 + 100 * index):
                with self.in_client():
                    answer = requests.http(target, (actors.CLIENT.of(target.family), port))
                self.assertEqual((answer.pod, answer.client, answer.port), ("a1", actors.CLIENT.of(target.family), port), target)
        for port, target in enumerate(self.targets("echo"), 33501):
            with self.in_client():
                answer = requests.udp(target, (actors.CLIENT.of(target.family), port))
            self.assertEqual((answer.pod, answer.client, answer.port), ("a1", actors.CLIENT.of(target.family), port), target)
        figure("policy Local: the pod here, and it sees the client's address and port")

        self.put(("b2",), externalTrafficPolicy="Local", healthCheckNodePort=30790)
        for target in self.targets():
            with self.in_client(), self.assertRaises(TimeoutError):
                requests.http(target, timeout=0.4)
            if target.port == NODE_PORT:
                with self.lab.spaces["b1"].inside():
                    self.assertEqual(requests.http(target).pod, "b2", "a pod falls back to Cluster")
        self.assertGreaterEqual(self.counter("DROP_NO_LOCAL_ENDPOINT"), 4)

    def test_7_source_ranges(self):
        self.put(("a1", "b1"), loadBalancerSourceRanges=["198.51.100.0/24", "2001:db8:51::/64"])
        with self.in_client():
            for target in self.targets():
                self.assertIn(requests.http(target).pod, ("a1", "b1"))
        self.put(("a1", "b1"), loadBalancerSourceRanges=["192.0.2.0/24", "2001:db8:c0::/48"])
        for target in self.targets():
            is_vip = target.port == VIP_PORT
            with self.in_client():
                if is_vip:
                    self.eventually(lambda target=target: requests.fails(target, TimeoutError, timeout=0.4), "the ranges are in force")
                else:
                    self.assertIn(requests.http(target).pod, ("a1", "b1"))
            if is_vip:
                with self.lab.spaces["alb"].inside():
                    self.assertIn(requests.http(target).pod, ("a1", "b1"))
        self.assertGreater(self.counter("DROP_SOURCE_RANGE"), 0)

    def test_8_affinity_over_a_restart(self):
        self.fresh_ports = itertools.count(27001)
        self.put(("a1", "a2", "a3", "b1", "b2", "b3"), sessionAffinity="ClientIP")
        before = {target: self.pods_of(target) for target in self.targets()}
        self.restart()
        after = {target: self.pods_of(target) for target in self.targets()}
        for family in actors.FAMILIES:
            pods = set().union(*(before[target] | after[target] for target in self.targets() if target.family == family))
            figure(f"IPv{family}, affinity: 40 connections through VIP and NodePort before and after a restart: {pods}")
            self.assertEqual(len(pods), 1)

    # From ports that nobody had: a client port towards a second frontend of one pod is refused for 120 s after it closed.
    def pods_of(self, target: Target) -> set[str]:
        client = actors.CLIENT.of(target.family)
        with self.in_client():
            return {requests.http(target, (client, next(self.fresh_ports))).pod for _ in range(10)}

    def restart(self, *arguments: str) -> None:
        self.agent.stop()
        self.agent.more_arguments = arguments
        self.agent.start()


if __name__ == "__main__":
    unittest.main()
