# SPDX-License-Identifier: Apache-2.0
"""The commands that read, with a living agent and with a dead one; the pins, read without any of ours; a second
agent; leaving."""

import json
import os
import unittest

from shuntlab import actors, frontends, manifests, netlink, requests, tcx
from shuntlab.case import LabCase, figure
from shuntlab.namespace import run
from shuntlab.requests import Target

READERS = (("status",), ("services",), ("services", manifests.ORDERS), ("flows",), ("counters",))
SLOW_PATH_MAPS = ("frontends", "services", "backends", "devices", "agent_state", "counters", "control")
DEVICES = ("eth0", "eth1")


class Commands(LabCase):
    def setUp(self):
        self.agent = self.lab.agents["node-a"]
        self.ask()

    def ask(self) -> None:
        """So that there is something to read."""
        for family in actors.FAMILIES:
            for frontend in frontends.ALL:
                with self.in_client():
                    self.assertTrue(requests.http(frontend.target(family, "http")).pod)

    def check_readers(self) -> None:
        for reader in READERS:
            with self.subTest(" ".join(reader)):
                text = self.agent.command(*reader)
                self.assertNotEqual(text.stdout.strip(), "", text.stderr)
                self.assertNotIn("\x1b", text.stdout, "colour is for terminals")
                parsed = self.agent.command(*reader, "-o", "json")
                self.assertTrue(json.loads(parsed.stdout))
                if reader != ("status",):  # a dead agent is not as it should be
                    self.assertEqual((text.returncode, parsed.returncode), (0, 0), text.stderr + parsed.stderr)

    def test_1_with_a_living_agent(self):
        self.check_readers()
        self.assertEqual(self.agent.command("status").returncode, 0)
        services = self.agent.read("services")
        for word in ("orders-service", "payments-service", manifests.ORDERS_NODE_PORT, manifests.PAYMENTS_NODE_PORT):
            self.assertIn(str(word), services)
        self.assertIn(actors.CLIENT.v4, self.agent.read("flows"))

    def test_2_usage(self):
        self.assertEqual(self.agent.command("status", "--no-such-option").returncode, 2)
        self.assertEqual(self.agent.command("no-such-command").returncode, 2)
        shown = self.agent.command("services", "--help")
        self.assertEqual(shown.returncode, 0)
        self.assertIn("shunt services", shown.stdout)

    def test_3_pins_read_by_others(self):
        shows = sorted((self.agent.pin_dir / "show").iterdir())
        for show in shows:
            self.assertNotEqual(show.read_text().strip(), "", show)
        figure(f"cat: {', '.join(show.name for show in shows)}")
        self.assertIn("orders-service", (self.agent.pin_dir / "show" / "services").read_text())
        dumped = {name: self.dump(name) for name in SLOW_PATH_MAPS}
        for name, text in dumped.items():
            self.assertIn('": ', text, f"{name} is not typed")
        self.assertIn('"port": 32001', dumped["frontends"])
        self.assertIn("orders-service", dumped["services"])

    def dump(self, name: str) -> str:
        return run(["bpftool", "map", "dump", "pinned", str(self.agent.pin_dir / name)]).stdout

    def test_4_second_agent_is_refused(self):
        second = self.agent.space.run(self.agent.argv(), check=False, timeout=10)
        self.assertEqual(second.returncode, 1, second.stdout + second.stderr)
        figure(f"a second agent: {(second.stderr or second.stdout).strip().splitlines()[-1]}")
        self.assertIsNone(self.agent.process.poll())
        self.ask()

    def test_5_with_a_dead_agent(self):
        self.agent.kill()
        self.check_readers()
        status = self.agent.command("status")
        figure(f"status with a dead agent: exit {status.returncode}")
        self.ask()
        self.agent.start()

    def test_6_stopped_by_a_service_manager_traffic_goes_on(self):
        self.agent.stop()
        self.assertEqual(self.agent.process.returncode, 0, self.agent.log_tail())
        self.ask()
        self.agent.start()
        self.ask()

    def attached(self) -> dict[str, tuple]:
        with self.agent.space.inside():
            return {
                device: (netlink.ask(device).mode, tcx.programs(device, "ingress"), tcx.programs(device, "egress"))
                for device in DEVICES
            }

    def test_7_detach_and_purge(self):
        self.assertEqual(self.attached(), {device: ("xdp", 1, 1) for device in DEVICES})
        self.agent.stop()
        detached = self.agent.command("detach")
        self.assertEqual(detached.returncode, 0, detached.stderr)
        self.assertEqual(self.attached(), {device: ("none", 0, 0) for device in DEVICES})
        self.assertTrue((self.agent.pin_dir / "services").exists(), "the maps stay without --purge")
        with self.in_client(), self.assertRaises(ConnectionRefusedError):
            requests.http(Target(4, actors.NODE_A.underlay1.v4, manifests.ORDERS_NODE_PORT))

        purged = self.agent.command("detach", "--purge")
        self.assertEqual(purged.returncode, 0, purged.stderr)
        left = [os.path.join(folder, file) for folder, _, files in os.walk(self.agent.pin_dir) for file in files]
        self.assertEqual(left, [])
        figure("detached: XDP and tc gone from both devices; purged: no pin left")

        self.agent.start()
        self.ask()


if __name__ == "__main__":
    unittest.main()
