# SPDX-License-Identifier: Apache-2.0
"""Packets really take the native XDP path: the kernel says so, not the agent."""

import contextlib
import unittest
from collections.abc import Iterator
from pathlib import Path

from shuntlab import actors, figures, frontends, netlink
from shuntlab.case import LabCase, figure

REQUESTS = 300
BPF_STATS = Path("/proc/sys/kernel/bpf_stats_enabled")


@contextlib.contextmanager
def bpf_stats() -> Iterator[None]:
    before = BPF_STATS.read_text()
    BPF_STATS.write_text("1")
    try:
        yield
    finally:
        BPF_STATS.write_text(before)


class NativeXdp(LabCase):
    def test_mode(self):
        for name in self.lab.agents:
            for device in ("eth0", "eth1"):
                with self.lab.spaces[name].inside():
                    self.assertEqual(netlink.ask(device).mode, "xdp", f"{name} {device}")
                shown = self.lab.spaces[name].run(["ip", "-d", "link", "show", device]).stdout
                self.assertIn("prog/xdp", shown)
                self.assertNotIn("xdpgeneric", shown)
                figure(f"{name} {next(line.strip() for line in shown.splitlines() if 'prog/xdp' in line)} on {device}")

    def test_remote_path_leaves_the_stack_alone(self):
        """Each UDP exchange is one packet to the pod and one back, both through node-a's XDP program and neither
        through its forwarding."""
        node_a = self.lab.spaces["node-a"]
        with node_a.inside():
            number = netlink.ask("eth0").program

        def runs() -> int:
            return figures.program(number).get("run_cnt", 0)

        for family in actors.FAMILIES:
            with self.subTest(family=family), bpf_stats():
                ran, forwarded = runs(), figures.forwarded_by_the_stack(node_a)
                with self.in_client():
                    outcome = frontends.many(frontends.REMOTE, family, "UDP", range(20001, 20001 + REQUESTS))
                ran = runs() - ran
                after = figures.forwarded_by_the_stack(node_a)
                changed = {name: after[name] - forwarded[name] for name in after}
                figure(
                    f"IPv{family} {REQUESTS} exchanges with pods elsewhere: XDP program {number} ran {ran} times, "
                    f"forwarded by the stack: {changed}"
                )
                self.assert_flawless(frontends.REMOTE, outcome)
                self.assertGreaterEqual(ran, 2 * REQUESTS)
                self.assertEqual(set(changed.values()), {0})


if __name__ == "__main__":
    unittest.main()
