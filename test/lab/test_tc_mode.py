# SPDX-License-Identifier: Apache-2.0
"""The same by tc alone, with the offloads that a NIC would have: checksums still to be filled in
(CHECKSUM_PARTIAL), and segments of up to 64 kB (GSO) that must be rewritten as one."""

import unittest

from shuntlab import bulk, frontends, netlink, requests
from shuntlab.case import LabCase, figure

REQUESTS = 200
SIZE = 20_000_000


class TcMode(LabCase):
    options = {"mode": "tc", "offloads": True}

    def test_no_xdp(self):
        for name in self.lab.agents:
            with self.lab.spaces[name].inside():
                for device in ("eth0", "eth1"):
                    self.assertEqual(netlink.ask(device).mode, "none", f"{name} {device}")

    def test_requests(self):
        for family in (4, 6):
            for index, frontend in enumerate(frontends.ALL):
                for protocol in frontends.PROTOCOLS:
                    with self.subTest(frontend.name, protocol=protocol, family=family), self.in_client():
                        first = 20001 + index * REQUESTS
                        outcome = frontends.many(frontend, family, protocol, range(first, first + REQUESTS))
                        figure(frontends.report(frontend, family, protocol, outcome))
                        self.assert_flawless(frontend, outcome)

    def test_transfer(self):
        for family in (4, 6):
            for frontend in (frontends.LOCAL, frontends.REMOTE):
                for name, transfer in (("download", bulk.download), ("upload", bulk.upload)):
                    with self.subTest(frontend.name, way=name, family=family), self.in_client():
                        arrived, sent = transfer(requests.connect(frontend.target(family, "bulk"), timeout=30), SIZE)
                        figure(f"IPv{family} {name} {SIZE // 10**6} MB, {frontend.name}: sha256 {arrived[:16]}…")
                        self.assertEqual(arrived, sent)


if __name__ == "__main__":
    unittest.main()
