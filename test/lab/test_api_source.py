# SPDX-License-Identifier: Apache-2.0
"""The agents read the Kubernetes API, over TLS, instead of manifests: traffic, changes, a server that goes away."""

import time
import unittest

from shuntlab import actors, figures, frontends, manifests, requests
from shuntlab.case import LabCase, figure
from shuntlab.requests import Target

NEW = "lab/new"
NEW_NODE_PORT = 30500
PORT = (("http", "TCP", actors.HTTP_PORT),)


class ApiSource(LabCase):
    options = {"api": True}

    def setUp(self):
        self.agent = self.lab.agents["node-a"]
        self.server = self.lab.api_server

    def ask_everywhere(self, first_port: int) -> None:
        for index, frontend in enumerate(frontends.ALL):
            for family in actors.FAMILIES:
                port = first_port + 200 * index + 100 * (family == 6)
                with self.in_client():
                    outcome = frontends.many(frontend, family, "TCP", range(port, port + 60))
                self.assert_flawless(frontend, outcome)

    def answers(self, node_port: int) -> bool:
        with self.in_client():
            try:
                return bool(requests.http(Target(4, actors.NODE_A.underlay1.v4, node_port), timeout=1).pod)
            except OSError:
                return False

    def put_new(self) -> None:
        service = manifests.service(NEW, (NEW_NODE_PORT,), PORT)
        self.lab.manifests.put("new.yaml", [service, *manifests.slices(NEW, ("a1", "b1"), PORT)])

    def test_1_traffic(self):
        self.ask_everywhere(20001)
        status = self.agent.read_json("status")
        self.assertEqual(status["sync"]["source"], f"API server https://{actors.ROUTER_UNDERLAY1.v4}:6443")
        self.assertLess(status["sync"]["sourceSilenceSeconds"], 10)
        figure(next(line for line in self.agent.read("status").splitlines() if line.startswith("Sync")))

    def test_2_changes_are_in_force_at_once(self):
        self.put_new()
        took = self.eventually(lambda: self.answers(NEW_NODE_PORT), "the new NodePort answers")
        self.lab.manifests.put("new.yaml", [manifests.service(NEW, (NEW_NODE_PORT + 1,), PORT),
                                            *manifests.slices(NEW, ("a1",), PORT)])
        moved = self.eventually(lambda: self.answers(NEW_NODE_PORT + 1), "the NodePort moved")
        self.lab.manifests.remove("new.yaml")
        gone = self.eventually(lambda: not self.answers(NEW_NODE_PORT + 1), "the NodePort is gone")
        figure(
            f"a new Service answers after {figures.milliseconds(took)}, on another port after {figures.milliseconds(moved)}, "
            f"is gone after {figures.milliseconds(gone)}; up to 50 ms of each are the test server's"
        )

    def test_3_expired_watch(self):
        """Every watch gets 410: the agent lists again, not all the time, and sees what changed."""
        (self.server.folder / "expire").touch()
        before = len(self.server.requests())
        self.put_new()
        self.addCleanup(self.lab.manifests.remove, "new.yaml")
        self.eventually(lambda: self.answers(NEW_NODE_PORT), "the new NodePort answers")
        time.sleep(3)
        asked = len(self.server.requests()) - before
        (self.server.folder / "expire").unlink()
        figure(f"410 to every watch for over 3 s: {asked} requests by two agents")
        self.assertLess(asked, 2 * 3 * 20)

    def test_4_server_goes_away_and_an_agent_is_restarted(self):
        self.server.stop()
        self.eventually(lambda: self.agent.command("status").returncode == 1, "status says that the server is away")
        time.sleep(2)
        status = self.agent.command("status").stdout
        self.assertIn("ask https://", status)
        self.assertRegex(status, r"last heard \d+s ago")
        figure(next(line for line in status.splitlines() if line.startswith("  ")).strip())
        self.ask_everywhere(22001)

        with self.subTest("an agent that never heard the server prunes nothing"):
            self.agent.kill()
            self.agent.start(wait=False)
            self.eventually(lambda: "the first list of" in self.agent.command("status").stdout, "status names what is missing")
            self.ask_everywhere(24001)

        with self.subTest("the server is back, with other resourceVersions"):
            self.server.start()
            took = self.eventually(lambda: self.agent.command("status").returncode == 0, "status is good again", 60)
            figure(f"the server is back: status is good after {took:.1f} s")
            self.ask_everywhere(26001)

    def test_5_rotated_token(self):
        (self.server.folder / "token").write_text("another\n")
        (self.server.folder / "expire").touch()  # so that new requests are made
        self.eventually(lambda: self.server.requests()[-1]["token"] == "another", "the new token is sent")
        (self.server.folder / "expire").unlink()
        self.eventually(lambda: self.agent.command("status").returncode == 0, "status is good", 30)


if __name__ == "__main__":
    unittest.main()
