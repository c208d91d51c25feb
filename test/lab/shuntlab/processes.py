# SPDX-License-Identifier: Apache-2.0
"""The lab's own processes: each in a session of its own, so that it is ended with all its children."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from .namespace import Namespace


class Processes:
    def __init__(self):
        self._running: list[subprocess.Popen] = []

    def start(
        self, space: Namespace, argv: list[str], log: Path, environment: dict[str, str] | None = None
    ) -> subprocess.Popen:
        with open(log, "ab") as output:
            process = subprocess.Popen(
                space.argv(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        self._running.append(process)
        return process

    def end_all(self) -> None:
        """By the ids of the groups started here, and no others."""
        for process in self._running:
            # After wait() the id may belong to somebody else; a group led by a living child cannot.
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        for process in self._running:
            process.wait()
        self._running.clear()
