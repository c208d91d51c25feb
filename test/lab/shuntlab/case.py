# SPDX-License-Identifier: Apache-2.0
"""What every lab test starts from: one lab for all tests of a class, and its logs when one fails."""

import sys
import time
import unittest
from collections.abc import Callable

from .background import Background
from .frontends import Frontend, Outcome
from .lab import Lab
from .patience import FACTOR


class LabCase(unittest.TestCase):
    options: dict = {}  # for Lab()
    lab: Lab

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = Lab(**cls.options)
        cls.enterClassContext(cls.lab)

    def tearDown(self) -> None:
        for name, agent in self.lab.agents.items():
            for word in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:"):
                self.assertNotIn(word, agent.log(), f"{name}: {agent.log_path}")

    def run(self, result=None):
        before = _troubles(result)
        outcome = super().run(result)
        if _troubles(result) > before:
            self.show_logs()
        return outcome

    def show_logs(self) -> None:
        for name, agent in self.lab.agents.items():
            print(f"--- {name}: end of the agent's log\n{agent.log_tail()}", file=sys.stderr)
            for command in (("status",), ("counters",)):
                result = agent.command(*command)
                print(f"--- {name}: shunt {' '.join(command)}: exit {result.returncode}", file=sys.stderr)
                print(result.stdout + result.stderr, file=sys.stderr)

    def in_client(self):
        return self.lab.spaces["client"].inside()

    def background(self, space: str, function: Callable, *arguments) -> Background:
        load = Background(self.lab.spaces[space], function, *arguments)
        self.addCleanup(load.abandon)
        return load

    def assert_flawless(self, frontend: Frontend, outcome: Outcome) -> None:
        self.assertEqual(outcome.failures, [])
        self.assertEqual(outcome.wrong_clients, [])
        self.assertEqual(set(outcome.counts), set(frontend.pods))

    def eventually(self, is_true: Callable[[], bool], what: str, seconds: float = 10) -> float:
        """How long it took."""
        begin = time.monotonic()
        seconds *= FACTOR
        while not is_true():
            self.assertLess(time.monotonic() - begin, seconds, f"waited in vain: {what}")
            time.sleep(0.02)
        return time.monotonic() - begin


def figure(text: str) -> None:
    """A result worth reading in a passing run, too."""
    print(text, flush=True)


def _troubles(result) -> int:
    return len(result.failures) + len(result.errors) if result else 0
