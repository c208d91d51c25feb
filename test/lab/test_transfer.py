# SPDX-License-Identifier: Apache-2.0
"""200 MB each way through a backend on another node, byte for byte."""

import time
import unittest

from shuntlab import bulk, frontends, requests
from shuntlab.case import LabCase, figure

SIZE = 200_000_000


class Transfer(LabCase):
    def test_both_ways(self):
        for family in (4, 6):
            target = frontends.REMOTE.target(family, "bulk")
            for name, transfer in (("download", bulk.download), ("upload", bulk.upload)):
                with self.subTest(name, family=family), self.in_client():
                    begin = time.monotonic()
                    connection = requests.connect(target, timeout=30)
                    arrived, sent = transfer(connection, SIZE)
                    seconds = time.monotonic() - begin
                    figure(
                        f"IPv{family} {name} {SIZE // 10**6} MB through {target}: {seconds:.1f} s, "
                        f"{SIZE * 8 / seconds / 1e9:.2f} Gbit/s, sha256 {arrived[:16]}…"
                    )
                    self.assertEqual(arrived, sent)


if __name__ == "__main__":
    unittest.main()
