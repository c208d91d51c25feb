# SPDX-License-Identifier: Apache-2.0
"""What becomes of changes: good ones, broken manifests, Services left to the stack, a pod out of its slice."""

import re
import time
import unittest

from shuntlab import actors, conversation, figures, frontends, manifests, requests
from shuntlab.case import LabCase, figure
from shuntlab.lab import reads_the_api
from shuntlab.requests import Target

BROKEN_YAML = """\
apiVersion: v1
kind: Service
metadata:
  name: broken
  namespace: lab
  labels: {app: [broken
spec: {}
"""
NEW = "lab/new"
NEW_NODE_PORT = 30500
PORT = (("http", "TCP", actors.HTTP_PORT),)

about_files = unittest.skipIf(reads_the_api(), "about manifest files, and the agents read the API")


def refused(target: Target) -> bool:
    """The stack's own answer for a port on which nobody listens."""
    return requests.fails(target, ConnectionRefusedError, timeout=1)


class Changes(LabCase):
    def setUp(self):
        self.agent = self.lab.agents["node-a"]
        self.logged = len(self.agent.log())

    def new_log(self) -> str:
        return self.agent.log()[self.logged :]

    def ask(self, frontend: frontends.Frontend, first_port: int, number: int = 60) -> frontends.Outcome:
        with self.in_client():
            return frontends.many(frontend, 4, "TCP", range(first_port, first_port + number))

    def answers(self, node_port: int, family: int = 4) -> bool:
        with self.in_client():
            try:
                return bool(requests.http(Target(family, actors.NODE_A.underlay1.of(family), node_port), timeout=1).pod)
            except OSError:
                return False

    def add_service(self, name: str, node_port: int, file_name: str, **spec) -> None:
        service = manifests.service(name, (node_port,), PORT, number=node_port % 200, **spec)
        self.lab.manifests.put(file_name, [service, *manifests.slices(name, ("a1", "b1"), PORT)])
        self.addCleanup(self.lab.manifests.remove, file_name)

    def test_good_change_is_in_force_at_once(self):
        begin = time.monotonic()
        self.add_service(NEW, NEW_NODE_PORT, "new.yaml")
        self.eventually(lambda: self.answers(NEW_NODE_PORT), "the new NodePort answers")
        took = time.monotonic() - begin
        status = self.agent.read("status")
        said = re.search(r"in force after [\d.,]+ ?\S+", status)
        self.assertIsNotNone(said, status)
        figure(
            f"a new Service: first answer {figures.milliseconds(took)} after its file was renamed into place; "
            f"status: {said.group(0)}"
        )
        self.assertTrue(self.answers(NEW_NODE_PORT, 6))

    def test_deleted_service_goes_back_to_the_stack(self):
        service = manifests.service(NEW, (NEW_NODE_PORT,), PORT)
        self.lab.manifests.put("gone.json", [service, *manifests.slices(NEW, ("a1",), PORT)])
        self.eventually(lambda: self.answers(NEW_NODE_PORT), "the new NodePort answers")
        self.lab.manifests.remove("gone.json")
        target = Target(4, actors.NODE_A.underlay1.v4, NEW_NODE_PORT)
        with self.in_client():
            took = self.eventually(lambda: refused(target), "the NodePort is gone")
        figure(f"a deleted Service: refused by the stack {figures.milliseconds(took)} after its file went")

    @about_files
    def test_broken_file_is_named_with_its_place(self):
        self.lab.manifests.put_text("broken.yaml", BROKEN_YAML)
        self.addCleanup(self.eventually, lambda: self.agent.command("status").returncode == 0, "status is good again")
        self.addCleanup(self.lab.manifests.remove, "broken.yaml")
        place = re.compile(r"broken\.yaml:\d+:\d+")
        self.eventually(lambda: place.search(self.new_log()), "the log names file, line and column")
        figure(f"a broken file, in the log: {next(line for line in self.new_log().splitlines() if place.search(line))}")
        status = self.agent.command("status")
        self.assertEqual(status.returncode, 1, status.stdout)
        self.assertIn("broken.yaml", status.stdout)
        self.assertEqual(self.ask(frontends.VIP, 20001).failures, [])

        with self.subTest("everything else goes on"):
            self.add_service(NEW, NEW_NODE_PORT, "beside.json")
            self.eventually(lambda: self.answers(NEW_NODE_PORT), "a Service in another file is in force")

    @about_files
    def test_last_good_state_stays_also_across_a_restart(self):
        """The file that holds the lab's Services is cut in the middle: they stay, in the agent that saw it whole
        and in one that never did."""
        whole = (self.lab.manifests.folder / "lab.json").read_text()
        self.lab.manifests.put_text("lab.json", whole[: len(whole) // 2])
        self.addCleanup(self.eventually, lambda: self.agent.command("status").returncode == 0, "status is good again")
        self.addCleanup(self.lab.manifests.put_text, "lab.json", whole)
        self.eventually(lambda: "lab.json" in self.new_log(), "the log names the file")
        for frontend in frontends.ALL:
            self.assert_flawless(frontend, self.ask(frontend, 21001 + 100 * frontends.ALL.index(frontend)))

        self.agent.kill()
        self.logged = len(self.agent.log())
        self.agent.start(wait=False)
        self.eventually(lambda: "lab.json" in self.new_log(), "the new agent names the file, too")
        time.sleep(2)  # whatever it would prune would be gone by then
        for frontend in frontends.ALL:
            self.assert_flawless(frontend, self.ask(frontend, 22001 + 100 * frontends.ALL.index(frontend)))
        for service in manifests.LAB_PODS:
            self.assertIn(service.split("/")[1], self.agent.read("services"))
        figure("restarted with a broken file: its Services answer as before, nothing was pruned")

    def test_service_on_a_source_port_of_the_node_is_left_to_the_stack(self):
        node_port = 20001  # of --snat-ports
        self.add_service("lab/clash", node_port, "clash.yaml")
        self.eventually(lambda: "clash" in self.agent.read("services"), "lab/clash is listed")
        row = next(line for line in self.agent.read("services").splitlines() if "clash" in line)
        figure(f"left to the stack: {row.strip()}")
        self.assertIn("--snat-ports", row)
        for family in actors.FAMILIES:
            with self.in_client():
                self.assertTrue(refused(Target(family, actors.NODE_A.underlay1.of(family), node_port)))

    def test_pod_taken_out_of_its_slice(self):
        """No new connection reaches it; those that it has go on."""
        targets = [frontends.LOCAL.target(family, "lines") for family in actors.FAMILIES] * 15
        talk = self.background("client", conversation.lines, targets, 24001)
        time.sleep(0.3)
        self.lab.manifests.put_endpoints(manifests.HERE, ("a1", "a2"))
        self.addCleanup(self.lab.manifests.put_endpoints, manifests.HERE, manifests.LAB_PODS[manifests.HERE])
        a3 = actors.PODS["a3"].address
        took = self.eventually(lambda: not self.agent.takes_new_flows(manifests.HERE, a3), "a3 takes no new flows")
        outcome = self.ask(frontends.LOCAL, 23001, 200)
        conversations = talk.stop()
        on_a3 = [c for c in conversations if c.pods == {"a3"}]
        figure(
            f"a3 taken out: in force after {figures.milliseconds(took)}; then {outcome.requests} connections, "
            f"by pod {dict(outcome.counts)}; {len(on_a3)} open connections to a3 went on"
        )
        self.assertEqual((outcome.failures, outcome.counts["a3"]), ([], 0))
        self.assertGreater(len(on_a3), 0)
        for one in conversations:
            self.assertEqual((one.error, one.out_of_order, len(one.pods)), ("", 0, 1), one)


if __name__ == "__main__":
    unittest.main()
