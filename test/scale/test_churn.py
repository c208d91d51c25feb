# SPDX-License-Identifier: Apache-2.0
"""Many changes in a short time leave nothing behind: no memory, no descriptor, and maps as from a fresh list. The whole
agent, over TLS; watches end and expire in between. CHURN_CHANGES=1000000 for a million, default 100,000."""

import os
import time
import unittest

from scale import objects, world
from scale.cluster import Cluster

CHANGES = int(os.environ.get("CHURN_CHANGES", "100000"))
BATCH = 100
SERVICES = 400
WATCH = CHANGES // 50  # changes until the watches end, as they do every few minutes
HISTORY = 4 * WATCH  # … until they are too old, and all is listed again
NO_PORTS = ("--metrics-bind-address", "none", "--healthz-bind-address", "none", "--log-level", "info")
PLURALS = ("services", "endpointslices")


def comparable(ports: list[dict]) -> list[dict]:
    """`shunt services`, but for what depends on history: ids, counts of traffic."""
    for port in ports:
        for key in ("flows", "flowsOpened", "drops"):
            port.pop(key)
        for part in (*port["families"], *port["backends"]):
            part.pop("id", None)
    return ports


class Churn(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(SERVICES, endpoints=3, seed=1)
        self.done = 0

    def churn(self, api: world.ApiServer, until: int) -> None:
        while self.done < until:
            batch = {plural: [] for plural in PLURALS}
            for _ in range(BATCH):
                plural, event = self.cluster.churn()
                batch[plural].append(event)
            for plural, events in batch.items():
                self.watches[plural].say(b"".join(events))
            self.done += BATCH
            if self.done % WATCH == 0:
                self.end_watches(api, expire=self.done % HISTORY == 0)

    def end_watches(self, api: world.ApiServer, *, expire: bool) -> None:
        if expire:
            api.lists = self.cluster.lists()
        for watch in self.watches.values():
            if expire:
                watch.say(objects.expired(self.cluster.version))
            watch.end()
        self.watches = {plural: api.next_watch(plural) for plural in PLURALS}

    def test_leaves_nothing_behind(self):
        world.make_network()
        with world.server() as api:
            api.lists = self.cluster.lists()
            with world.agent(api, "churned", *NO_PORTS) as agent:
                self.watches = {plural: api.next_watch(plural) for plural in PLURALS}
                agent.wait_in_force()
                begin = time.monotonic()
                seen = []
                for part in (CHANGES // 10, CHANGES):
                    self.churn(api, part)
                    agent.wait_quiet(5)  # longer than slices rest
                    seen.append((agent.memory(), agent.descriptors()))
                    print(f"after {self.done:,} changes: {self.figures(agent, seen[-1])}", flush=True)
                took = time.monotonic() - begin - 10
                print(f"{self.done / took:,.0f} changes a second, of the server's making; {len(agent.lines)} other lines in the log")
                churned = comparable(agent.services())
            self.assertEqual(seen[0][1], seen[1][1], "descriptors")
            self.assertLess(abs(seen[1][0]["all"] / seen[0][0]["all"] - 1), 0.05, "resident memory")

            api.lists = self.cluster.lists()
            with world.agent(api, "fresh", *NO_PORTS) as agent:
                agent.wait_in_force()
                fresh = comparable(agent.services())
            self.assertGreater(len(fresh), SERVICES // 4)
            self.assertEqual(churned, fresh)

    @staticmethod
    def figures(agent: world.Agent, seen: tuple[dict[str, int], int]) -> str:
        memory, descriptors = seen
        return f"{memory['all'] / 2**20:.1f} MiB resident, {memory['own'] / 2**20:.1f} its own, {descriptors} descriptors, {agent.served_ports()} ports served"


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # sockets are the server's threads' own
