# SPDX-License-Identifier: Apache-2.0
"""A thousand TCP connections and a thousand UDP exchanges through each kind of frontend, in both families: none
fails, the load is even, every pod sees the right client, every checksum at both ends is right.

The source ports are fixed and the consistent hash has one seed, so the counts are the same in every run.
"""

import unittest

from shuntlab import actors, figures, frontends
from shuntlab.capture import Capture, check_frame
from shuntlab.case import LabCase, figure

REQUESTS = 1000
FIRST_SOURCE_PORT = 20001


def source_ports(frontend: frontends.Frontend) -> range:
    """Its own for each frontend: two frontends of one pod could not tell one client port's replies apart."""
    first = FIRST_SOURCE_PORT + REQUESTS * frontends.ALL.index(frontend)
    return range(first, first + REQUESTS)


def flipped(frame: bytes) -> bytes:
    """With one bit of its last octet changed."""
    return frame[:-1] + bytes([frame[-1] ^ 1])


class Requests(LabCase):
    def test_ipv4(self):
        self.check(4)

    def test_ipv6(self):
        self.check(6)

    def check(self, family: int) -> None:
        captures = {
            name: Capture(self.lab.spaces[name], "eth0", self.lab.folder / f"{name}.pcap", self.lab.processes)
            for name in ("client", *actors.PODS)
        }
        for frontend in frontends.ALL:
            for protocol in frontends.PROTOCOLS:
                with self.subTest(frontend.name, protocol=protocol):
                    with self.in_client():
                        outcome = frontends.many(frontend, family, protocol, source_ports(frontend))
                    figure(frontends.report(frontend, family, protocol, outcome))
                    self.assert_flawless(frontend, outcome)
                    self.assertEqual(outcome.sent_again, 0)
                    statistic, limit = outcome.chi_squared(frontend.pods)
                    self.assertLess(statistic, limit)
        self.check_checksums(family, {name: capture.stop() for name, capture in captures.items()})

    def check_checksums(self, family: int, captured: dict) -> None:
        pods = [checked for name, checked in captured.items() if name != "client"]
        figure(
            f"IPv{family} checksums recomputed: {captured['client'].frames} frames at the client, "
            f"{sum(checked.frames for checked in pods)} at the pods, "
            f"{sum(len(checked.wrong) for checked in captured.values())} wrong"
        )
        for name, checked in captured.items():
            self.assertEqual(checked.wrong[:3], [], name)
            self.assertEqual(checked.lost, 0, f"{name}: the capture lost frames")
            self.assertGreater(checked.frames, REQUESTS // 10, name)
            self.assertNotEqual(check_frame(flipped(checked.last))[1], "", "a wrong checksum would not be noticed")

        counters = {name: figures.checksum_errors(space) for name, space in self.lab.spaces.items()}
        total = sum(sum(errors.values()) for errors in counters.values())
        figure(f"IPv{family} InCsumErrors in {len(counters)} namespaces: {total}")
        for name, errors in counters.items():
            self.assertEqual({key: value for key, value in errors.items() if value}, {}, name)


if __name__ == "__main__":
    unittest.main()
