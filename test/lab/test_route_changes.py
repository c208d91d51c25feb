# SPDX-License-Identifier: Apache-2.0
"""The way to a backend changes under living flows: they go on, on the new way. How long each was silent is
printed."""

import json
import time
import unittest

from shuntlab import actors, conversation, figures, frontends
from shuntlab.case import LabCase, figure

NEW_MAC = "02:00:00:00:22:22"
# The kernel asks a managed neighbour again every 5 s and gives up its old address after three tries, a second
# each; a TCP sender that has waited that long waits half as long again. A neighbour that is not managed stays wrong
# for 25 s and more.
LONGEST_GAP = 13
SETTLED = 0.5  # at the end a flow must have had an answer within


class RouteChanges(LabCase):
    def test_mac_address_of_a_node(self):
        def change():
            self.lab.spaces["node-b"].run(["ip", "link", "set", "eth0", "address", NEW_MAC])

        self.check("node-b's MAC changed", 20001, [(change, LONGEST_GAP + 1)])

    def test_route_to_the_backends(self):
        a, b = self.lab.spaces["node-a"], actors.NODE_B
        router = self.lab.spaces["router"]
        pods = b.pod_network
        router.ip(f"route add {pods.v4} via {b.underlay2.v4}\nroute add {pods.v6} via {b.underlay2.v6}\n")

        def via(to: actors.Addresses):
            return lambda: a.ip(f"route replace {pods.v4} via {to.v4}\nroute replace {pods.v6} via {to.v6}\n")

        arrived = [self.arrived_on_eth1()]

        def count():
            arrived.append(self.arrived_on_eth1())

        self.check(
            "route to the pods moved to eth1, to the router, and back",
            21001,
            [(via(b.underlay2), 2), (count, 0), (via(actors.ROUTER_UNDERLAY1), 2), (count, 0), (via(b.underlay1), 2)],
        )
        by_eth1, by_router = arrived[1] - arrived[0], arrived[2] - arrived[1]
        figure(f"arrived at node-b's eth1: {by_eth1} frames directly, {by_router} over the router")
        self.assertGreater(by_eth1, 100)
        self.assertGreater(by_router, 100)

    def arrived_on_eth1(self) -> int:
        shown = self.lab.spaces["node-b"].run(["ip", "-s", "-j", "link", "show", "eth1"]).stdout
        return json.loads(shown)[0]["stats64"]["rx"]["packets"]

    def check(self, what: str, first_source_port: int, steps: list) -> None:
        """`steps` are things to do, each with the seconds to wait after it."""
        targets = {port: [frontends.REMOTE.target(f, port) for f in actors.FAMILIES] * 5 for port in ("echo", "lines")}
        udp = self.background("client", conversation.datagrams, targets["echo"], first_source_port)
        tcp = self.background("client", conversation.lines, targets["lines"], first_source_port)
        time.sleep(1)
        for step, seconds in steps:
            step()
            time.sleep(seconds)
        ended = time.monotonic()
        for kind, conversations in (("UDP", udp.stop()), ("TCP", tcp.stop())):
            for family in actors.FAMILIES:
                mine = [c for c in conversations if c.target.family == family]
                lost = sum(c.sent - c.answered for c in mine)
                worst = max(mine, key=lambda c: c.gap)
                figure(
                    f"{what}: IPv{family} {kind}: {len(mine)} flows, longest gap {figures.milliseconds(worst.gap)}, "
                    f"{lost} of {sum(c.sent for c in mine)} messages unanswered"
                )
                for one in mine:
                    self.assertEqual((one.error, len(one.pods)), ("", 1), one)
                    self.assertLess(one.gap, LONGEST_GAP, one)
                    self.assertGreater(one.last, ended - SETTLED, "it did not go on")
                    if kind == "TCP":
                        self.assertEqual((one.out_of_order, one.sent - one.answered), (0, 0), one)


if __name__ == "__main__":
    unittest.main()
