# SPDX-License-Identifier: Apache-2.0
"""Sharing XDP with somebody else's program through libxdp: the agent joins the dispatcher that is there (or makes one,
with --xdp-chain), is replaced in it under load, and leaves it; the other program never notices.

Skipped where the kernel loads no EXT programs, which libxdp is made of.
"""

import os
import unittest
from pathlib import Path

from shuntlab import actors, chain, figures, frontends, netlink, openloop
from shuntlab.case import LabCase, figure

COUNTING = Path(os.environ["COUNTING_PROGRAM"])
OTHERS, OURS = "count_packets", "xdp_ingress"
DEVICE = "eth0"
REQUESTS = 20
PER_SECOND = 20


class Chain(LabCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.a, cls.b = (cls.lab.agents[name] for name in ("node-a", "node-b"))
        for agent in (cls.a, cls.b):
            agent.stop()
            agent.read("detach")
        chain.load(cls.a.space, DEVICE, COUNTING)
        if chain.members(cls.a.space, DEVICE) is None:
            raise unittest.SkipTest("this kernel loads no EXT programs, so libxdp makes no dispatcher")
        cls.b.more_arguments = ("--xdp-chain",)
        for agent in (cls.a, cls.b):
            agent.start()

    def names(self, agent) -> list[str] | None:
        members = chain.members(agent.space, DEVICE)
        return None if members is None else [member.name for member in members]

    def member(self, agent, name: str) -> chain.Member:
        found = [member for member in chain.members(agent.space, DEVICE) if member.name == name]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def device_shown(self, agent) -> dict:
        return next(d for d in agent.read_json("status")["devices"] if d["name"] == DEVICE)

    def ask(self) -> None:
        """Through node-a, to pods there and elsewhere; what goes elsewhere never meets node-a's own forwarding."""
        for family in actors.FAMILIES:
            for frontend in (frontends.LOCAL, frontends.REMOTE):
                for protocol in frontends.PROTOCOLS:
                    before = figures.forwarded_by_the_stack(self.a.space)
                    with self.in_client():
                        outcome = frontends.many(frontend, family, protocol, range(20001, 20001 + REQUESTS))
                    self.assert_flawless(frontend, outcome)
                    if frontend is frontends.REMOTE:
                        self.assertEqual(figures.forwarded_by_the_stack(self.a.space), before)

    def assert_counting(self, other: chain.Member) -> None:
        before = chain.counted(other)
        self.ask()
        self.assertGreater(chain.counted(other), before + REQUESTS)

    def test_1_joined(self):
        self.assertEqual(self.names(self.a), [OTHERS, OURS])
        self.assertEqual(self.names(self.b), [OURS], "--xdp-chain makes the dispatcher")
        for agent in (self.a, self.b):
            shown = self.device_shown(agent)
            self.assertEqual(shown["xdp"], "chain")
            self.assertIn("XDP chain", shown["note"])
            with agent.space.inside():
                self.assertEqual(netlink.ask(DEVICE).mode, "xdp")
        self.assert_counting(self.member(self.a, OTHERS))
        text = self.a.read("status")
        figure("\n".join(line for line in text.splitlines() if "DEVICE" in line or DEVICE in line))

    def test_2_replaced_under_load(self):
        """Agents stopped, killed and started again: one program of ours, a new one, and no request lost."""
        other, ours = self.member(self.a, OTHERS), self.member(self.a, OURS)
        ways_in = (frontends.LOCAL, frontends.REMOTE)
        targets = [way_in.target(family, "http") for family in actors.FAMILIES for way_in in ways_in]
        watched = self.background("node-a", netlink.watch, [DEVICE])
        load = self.background("client", openloop.run, targets, PER_SECOND, 30001)
        self.a.stop()
        self.a.start()
        self.a.kill()
        self.a.start()
        attempts = load.stop(60)
        seen = watched.stop()
        failed = openloop.failures(attempts)
        figure(
            f"two restarts in the chain: {len(attempts)} requests, {len(failed)} failures; "
            f"{len(seen.programs[DEVICE])} dispatchers one after the other, "
            f"XDP absent in {len(seen.absent)} of {seen.asked} looks"
        )
        self.assertEqual(failed, [])
        self.assertEqual(seen.absent, [])
        self.assertEqual(self.names(self.a), [OTHERS, OURS])
        self.assertNotEqual(self.member(self.a, OURS), ours)
        self.assertEqual(self.member(self.a, OTHERS), other)
        self.assert_counting(other)

    def test_3_the_other_leaves_and_comes_back(self):
        chain.unload(self.a.space, DEVICE, "--id", str(self.member(self.a, OTHERS).program))
        self.assertEqual(self.names(self.a), [OURS])
        self.ask()
        chain.load(self.a.space, DEVICE, COUNTING)
        self.assertEqual(self.names(self.a), [OTHERS, OURS])
        self.assert_counting(self.member(self.a, OTHERS))

    def test_4_put_out_and_back(self):
        """Somebody empties the device: the agent notices and comes back."""
        chain.unload(self.b.space, DEVICE, "--all")
        took = self.eventually(lambda: self.names(self.b) == [OURS], "node-b's program in a chain again", 5)
        figure(f"taken out by xdp-loader unload --all: back after {took:.1f} s")

    def test_5_left(self):
        other = self.member(self.a, OTHERS)
        for agent in (self.a, self.b):
            agent.stop()
            agent.read("detach")
        self.assertEqual(self.names(self.a), [OTHERS])
        self.assertEqual(self.member(self.a, OTHERS), other, "not even loaded anew")
        self.assertIsNone(self.names(self.b), "nobody is left in it")
        with self.b.space.inside():
            self.assertEqual(netlink.ask(DEVICE).mode, "none")
        before = chain.counted(other)
        with self.in_client():
            outcome = frontends.many(frontends.REMOTE, 4, "UDP", range(20001, 20006))
        self.assertEqual(len(outcome.failures), 5, "nobody forwards any more")
        self.assertGreaterEqual(chain.counted(other), before + 5)
        chain.unload(self.a.space, DEVICE, "--all")


if __name__ == "__main__":
    unittest.main()
