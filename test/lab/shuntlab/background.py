# SPDX-License-Identifier: Apache-2.0
"""Load beside the test: a forked process, so that neither slows the other's clock, and its result."""

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from typing import Any

from .namespace import Namespace

_fork = multiprocessing.get_context("fork")


class Background:
    """Runs `function(stop, *arguments)` in `space` until done; `stop` is an event that ends open-ended loads."""

    def __init__(self, space: Namespace, function: Callable, *arguments: Any):
        self._stop = _fork.Event()
        self._result, sender = _fork.Pipe(duplex=False)
        self._process = _fork.Process(target=_run, args=(sender, function, self._stop, arguments), daemon=True)
        with space.inside():
            self._process.start()
        sender.close()

    def stop(self, seconds: float = 30) -> Any:
        """Ends the load and returns what it found."""
        self._stop.set()
        return self.result(seconds)

    def result(self, seconds: float) -> Any:
        try:
            if not self._result.poll(seconds):
                raise TimeoutError(f"no result within {seconds} s")
            ok, value = self._result.recv()
        finally:
            self.abandon()
        if not ok:
            raise RuntimeError(f"in the background process:\n{value}")
        return value

    def abandon(self) -> None:
        if self._process.is_alive():
            self._process.join(0.5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _run(sender, function: Callable, stop, arguments: tuple) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        outcome = (True, function(stop, *arguments))
    except BaseException:
        outcome = (False, traceback.format_exc())
    sender.send(outcome)
    sender.close()
