# SPDX-License-Identifier: Apache-2.0
"""Beside the rules of a real kube-proxy, in both of its modes: shunt comes and goes, and no connection is lost, neither those
that kube-proxy had before, nor shunt's own, nor any that are made meanwhile."""

import json
import time
import unittest

from shuntlab import actors, conversation, figures, keepalive, kubeproxy, netlink, requests
from shuntlab.case import LabCase, figure
from shuntlab.requests import Target

CONNECTIONS = 12
CONVERSATIONS = 6  # UDP
NEW = 20


class BesideKubeProxy(LabCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for agent in cls.lab.agents.values():
            agent.stop()
            agent.read("detach", "--purge")
        for file in sorted(cls.lab.manifests.folder.iterdir()):
            if file.name != "nodes.yaml":
                file.unlink()
        kubeproxy.put_services(cls.lab.manifests)
        cls.agent = cls.lab.agents["node-a"]

    def test_iptables(self):
        """As far as `drain`; then shunt's connections end with it."""
        before, datagrams, during, after = self.take_over_and_drain("iptables", 21000)
        time.sleep(2)  # all go on through the drain
        self.judge("iptables: made through shunt, on through drain", during.stop(), CONNECTIONS)
        self.agent.stop()
        self.agent.read("detach")
        self.ask_anew(21900)
        time.sleep(2)  # all go on without shunt
        self.judge("iptables: made before shunt attached", before.stop(), CONNECTIONS)
        self.judge("iptables: made while it drained", after.stop(), CONNECTIONS)
        self.judge_datagrams("iptables", datagrams.stop())

        self.agent.start()
        opened = self.opened()
        self.ask_anew(22100)
        self.assertEqual(self.opened(), opened + NEW, "detach ended the drain: the next agent begins afresh")

    def test_nftables(self):
        """To the end: no flow left, detached under a living agent, and back again."""
        before, datagrams, during, after = self.take_over_and_drain("nftables", 31000)
        opened = self.opened()
        # It outlives the agent; flows are left, so --wait gives up.
        self.agent.kill()
        self.agent.start(wait=False)
        self.eventually(self.is_synced, "the next agent in sync", 30)
        waited = self.agent.command("drain", "--wait", "1")
        self.assertEqual(waited.returncode, 1, waited.stdout)
        figure(waited.stderr.strip())
        self.ask_anew(31700)
        self.assertEqual(self.opened(), opened)

        self.judge("nftables: made through shunt, on through drain", during.stop(), CONNECTIONS)
        begin = time.monotonic()
        waited = self.agent.command("drain", "--wait", "200", timeout=220)
        self.assertEqual(waited.returncode, 0, waited.stdout + waited.stderr)
        figure(f"after {time.monotonic() - begin:.0f} s: {waited.stdout.strip()}")
        self.assertEqual(self.xdp(), "none")
        time.sleep(2.5)
        self.assertEqual(self.xdp(), "none", "a living agent keeps away")
        self.assertIsNone(self.agent.process.poll())
        self.ask_anew(31800)

        self.judge("nftables: made before shunt attached", before.stop(), CONNECTIONS)
        self.judge("nftables: made while it drained", after.stop(), CONNECTIONS)
        self.judge_datagrams("nftables", datagrams.stop())

        self.agent.read("drain", "--cancel")
        took = self.eventually(lambda: self.xdp() == "xdp", "the programs after --cancel")
        figure(f"attached again {took:.1f} s after drain --cancel")
        self.ask_anew(32900)
        self.assertGreater(self.opened(), opened)

    def targets(self) -> list[Target]:
        """The NodePort and the VIP, in both families."""
        node, vip = actors.NODE_A.underlay1, kubeproxy.PAYMENTS_VIP
        kinds = [
            Target(family, address.of(family), port)
            for family in actors.FAMILIES
            for address, port in ((node, kubeproxy.ORDERS_PORT), (vip, kubeproxy.PAYMENTS_PORT))
        ]
        return [kinds[index % len(kinds)] for index in range(CONNECTIONS)]

    def ask_anew(self, first_port: int) -> None:
        targets = self.targets()
        for index in range(NEW):
            target = targets[index % len(targets)]
            with self.in_client():
                answer = requests.http(target, (actors.CLIENT.of(target.family), first_port + index))
            self.assertIn(answer.pod, ("a1", "a2", "b1"))

    def opened(self) -> int:
        events = self.agent.read_json("counters", "--all")["events"]
        return next(event["count"] for event in events if event["name"] == "FLOW_OPENED")

    def flows(self) -> list[dict]:
        return self.agent.read_json("flows")["flows"]

    def xdp(self) -> str:
        with self.agent.space.inside():
            return netlink.ask("eth0").mode

    def take_over_and_drain(self, mode: str, ports: int):
        """The loads: connections and conversations made before shunt came, connections made through it, and while it drains."""
        space = self.agent.space
        kubeproxy.load(space, mode)
        self.addCleanup(kubeproxy.unload, space)
        self.assertEqual(self.xdp(), "none")
        dns = [Target(4, actors.NODE_A.underlay1.v4, kubeproxy.DNS_PORT)] * CONVERSATIONS
        before = self.background("client", keepalive.hold, self.targets(), ports)
        datagrams = self.background("client", conversation.datagrams, dns, ports + 100)
        time.sleep(1)
        self.ask_anew(ports + 200)

        self.agent.start()
        self.addCleanup(self.leave)
        self.assertEqual(self.xdp(), "xdp")
        during = self.background("client", keepalive.hold, self.targets(), ports + 300)
        self.eventually(lambda: len(self.flows()) >= CONNECTIONS, "the new connections among shunt's flows")
        opened = self.opened()
        self.ask_anew(ports + 400)
        self.assertEqual(self.opened(), opened + NEW, "new connections are shunt's")
        self.assertEqual({flow["protocol"] for flow in self.flows()}, {"TCP"}, "kube-proxy's UDP conversations stay its own")
        figure(f"{mode}: shunt opened {self.opened()} flows, none of UDP")

        figure(f"{mode}: {self.agent.read('drain').strip()}")
        opened = self.opened()
        after = self.background("client", keepalive.hold, self.targets(), ports + 500)
        self.ask_anew(ports + 600)
        self.assertEqual(self.opened(), opened, "new connections are kube-proxy's")
        status = self.agent.command("status")
        self.assertIn("DRAINING", status.stdout)
        self.assertEqual(status.returncode, 1)
        return before, datagrams, during, after

    def is_synced(self) -> bool:
        status = self.agent.command("status", "-o", "json")  # exit 1: it drains
        return bool(status.stdout) and json.loads(status.stdout)["sync"]["state"] == "synced"

    def leave(self) -> None:
        self.agent.stop()
        self.agent.read("detach", "--purge")

    def judge(self, what: str, held: list[keepalive.Held], number: int) -> None:
        worst = max(one.gap for one in held)
        figure(
            f"{what}: {len(held)} connections, {sum(one.answers for one in held)} answers, "
            f"{sum(bool(one.error) for one in held)} broken, largest gap {figures.milliseconds(worst)}"
        )
        self.assertEqual(len(held), number)
        self.assertEqual([one for one in held if one.error or len(one.pods) != 1 or one.answers < 10], [])

    def judge_datagrams(self, mode: str, talks: list[conversation.Conversation]) -> None:
        figure(
            f"{mode}: UDP made before shunt attached: {len(talks)} conversations, {sum(t.answered for t in talks)} answers, "
            f"{sum(t.sent - t.answered for t in talks)} lost, {sum(len(t.pods) != 1 for t in talks)} changed their pod"
        )
        self.assertEqual([t for t in talks if t.error or t.pods != {"a2"}], [], "kube-proxy's policy Local knows a2 alone")
        self.assertEqual([t for t in talks if t.sent - t.answered > 1], [])


if __name__ == "__main__":
    unittest.main()
