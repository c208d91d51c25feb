# SPDX-License-Identifier: Apache-2.0
"""Two labs at once never meet: the end of one is not noticed by the other."""

import unittest

from shuntlab import frontends
from shuntlab.case import LabCase, figure
from shuntlab.lab import Lab


class TwoLabs(LabCase):
    def test_side_by_side(self):
        with Lab() as other:
            self.assertNotEqual(other.prefix, self.lab.prefix)
            self.ask(self.lab, 20001)
            self.ask(other, 20001)
        self.ask(self.lab, 20101)
        self.assertEqual([path for path in self.lab.spaces["client"].path.parent.glob(f"{other.prefix}-*")], [])
        figure(f"labs {self.lab.prefix} and {other.prefix} answered side by side; {other.prefix} left nothing behind")

    def ask(self, lab: Lab, first_port: int) -> None:
        for family in (4, 6):
            with lab.spaces["client"].inside():
                outcome = frontends.many(frontends.REMOTE, family, "TCP", range(first_port, first_port + 50))
            self.assertEqual(outcome.failures, [])


if __name__ == "__main__":
    unittest.main()
