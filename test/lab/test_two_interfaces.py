# SPDX-License-Identifier: Apache-2.0
"""A node with two NICs: the reply leaves by the one on which the request came in, although the node's route to
the client goes by the other."""

import unittest

from shuntlab import actors, manifests, requests
from shuntlab.capture import Capture
from shuntlab.case import LabCase, figure
from shuntlab.requests import Target

REQUESTS = 50


class TwoInterfaces(LabCase):
    def test_reply_leaves_where_the_request_came_in(self):
        router = self.lab.spaces["router"]
        for family in actors.FAMILIES:
            with self.subTest(family=family):
                captures = [
                    Capture(router, f"u{underlay}-node-a", self.lab.folder / f"u{underlay}.pcap", self.lab.processes)
                    for underlay in (1, 2)
                ]
                vip = actors.VIP_UNDERLAY2.of(family)
                with self.in_client():
                    for number in range(REQUESTS):
                        for port, ask in ((actors.HTTP_PORT, requests.http), (actors.ECHO_PORT, requests.udp)):
                            answer = ask(Target(family, vip, port), (actors.CLIENT.of(family), 20001 + number))
                            self.assertIn(answer.pod, manifests.LAB_PODS[manifests.HERE])
                            self.assertEqual(answer.client, actors.CLIENT.of(family))
                replies = [capture.stop().by_source[vip] for capture in captures]
                figure(
                    f"IPv{family} {2 * REQUESTS} requests through node-a's eth1: "
                    f"{replies[1]} frames of replies by eth1, {replies[0]} by eth0"
                )
                self.assertEqual(replies[0], 0)
                self.assertGreaterEqual(replies[1], 2 * REQUESTS)


if __name__ == "__main__":
    unittest.main()
