# SPDX-License-Identifier: Apache-2.0
"""A run so small that its times mean nothing: every contestant delivers all its frames, every result is there."""

import sys
import unittest
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "lab")]

from shuntbench import plan  # noqa: E402
from shuntbench.bench import Bench  # noqa: E402


class Smoke(unittest.TestCase):
    def test_every_contestant_delivers_and_every_result_is_there(self):
        size = plan.SMOKE
        results = Bench(size, seed=1, say=print).run()
        self.assertEqual(results.failures, [])
        rows = results.rows()
        for row in rows:
            self.assertEqual(row["lost"], 0, row)
            self.assertGreater(row["min"], 0, row)
        expected = {
            (one.kind, one.services, panel.backend, panel.family, panel.flows, panel.metric, panel.replies)
            for panel in [*plan.panels(size), *plan.changing(size)]
            for one in panel.contestants
        }
        names = ("contestant", "services", "backend", "family", "flows", "metric", "replies")
        found = {tuple(row[name] for name in names) for row in rows}
        self.assertEqual(found, expected)


if __name__ == "__main__":
    unittest.main()
