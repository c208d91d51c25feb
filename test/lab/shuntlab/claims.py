# SPDX-License-Identifier: Apache-2.0
"""One line a claim: whether it holds, what it says, the command that was run, the answer."""

import sys


class Claims:
    """`not_held` counts those that do not hold."""

    def __init__(self):
        self.made = 0
        self.not_held = 0
        self._colour = sys.stdout.isatty()

    def heading(self, text: str) -> None:
        print(f"\n{self._bold(text)}", flush=True)

    def claim(self, holds: bool, what: str, command: str, answer: str) -> None:
        self.made += 1
        self.not_held += not holds
        print(f"{self._verdict(holds)}  {what:46} {command:58} {answer}", flush=True)

    def show(self, lines: list[str]) -> None:
        """What a command printed, set off from the claims."""
        print("".join(f"      {line}\n" for line in lines), end="", flush=True)

    def summary(self) -> str:
        if self.not_held:
            return self._colored("31", f"{self.not_held} of {self.made} claims do not hold")
        return self._colored("32", f"all {self.made} claims hold")

    def _verdict(self, holds: bool) -> str:
        return self._colored("32", "PASS") if holds else self._colored("31", "FAIL")

    def _bold(self, text: str) -> str:
        return self._colored("1", text)

    def _colored(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text
