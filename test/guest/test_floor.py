# SPDX-License-Identifier: Apache-2.0
"""The whole of it on the oldest kernel: native XDP, clsact for want of tcx, and every claim of the demo."""

import platform
import unittest

from demo import Demo
from shuntlab import actors, figures, frontends, netlink, tcx
from shuntlab.case import LabCase, figure
from shuntlab.claims import Claims

REQUESTS = 40
PER_SECOND = 20  # an emulated machine opens no 200 connections a second, server and client included


class Floor(LabCase):
    def test_attached_natively_and_by_clsact(self):
        figure(f"kernel {platform.release()}")
        self.assertLess(tuple(map(int, platform.release().split(".")[:2])), (6, 6), "a kernel that has tcx")
        for name in self.lab.agents:
            with self.lab.spaces[name].inside():
                for device in ("eth0", "eth1"):
                    self.assertEqual(netlink.ask(device).mode, "xdp", f"{name} {device}")
                    for direction in ("ingress", "egress"):
                        self.assertEqual(tcx.clsact(device, direction), 1, f"{name} {device} {direction}")

    def test_claims_of_the_demo(self):
        claims = Claims()
        Demo(self.lab, claims, PER_SECOND).run()
        figure(claims.summary())
        self.assertEqual(claims.not_held, 0)

    def test_every_way_in(self):
        for family in actors.FAMILIES:
            for index, frontend in enumerate(frontends.ALL):
                for protocol in frontends.PROTOCOLS:
                    with self.subTest(frontend.name, protocol=protocol, family=family):
                        self.check_way_in(family, frontend, protocol, 10001 + index * REQUESTS)

    def check_way_in(self, family: int, frontend: frontends.Frontend, protocol: str, first: int) -> None:
        """The remote path may not go through the stack's forwarding."""
        node_a = self.lab.spaces["node-a"]
        before = sum(figures.forwarded_by_the_stack(node_a).values())
        with self.in_client():
            outcome = frontends.many(frontend, family, protocol, range(first, first + REQUESTS))
        forwarded = sum(figures.forwarded_by_the_stack(node_a).values()) - before
        figure(frontends.report(frontend, family, protocol, outcome) + f"; forwarded by the stack {forwarded}")
        self.assert_flawless(frontend, outcome)
        if frontend is frontends.REMOTE:
            self.assertEqual(forwarded, 0)


if __name__ == "__main__":
    unittest.main()
