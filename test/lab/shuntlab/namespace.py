# SPDX-License-Identifier: Apache-2.0
"""One network namespace: made, entered, asked, removed by its name."""

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000
RUN_NETNS = Path("/run/netns")

_libc = ctypes.CDLL(None, use_errno=True)


def _setns(descriptor: int) -> None:
    """os.setns() came with Python 3.12; Debian 12 has 3.11."""
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


class CommandFailed(Exception):
    """A command that had to succeed did not; the message carries its output."""


def run(
    argv: list[str], *, input_text: str | None = None, check: bool = True, timeout: float = 60
) -> subprocess.CompletedProcess:
    result = subprocess.run(argv, input=input_text, capture_output=True, text=True, timeout=timeout)
    if check and result.returncode != 0:
        raise CommandFailed(f"{' '.join(argv)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def create(spaces: Iterable["Namespace"]) -> None:
    run(["ip", "-batch", "-"], input_text="".join(f"netns add {space.full_name}\n" for space in spaces))


class Namespace:
    def __init__(self, full_name: str):
        self.full_name = full_name
        self.path = RUN_NETNS / full_name

    def argv(self, argv: list[str]) -> list[str]:
        """The command that runs `argv` inside. Not `ip netns exec`: that hides /sys/fs/bpf behind a fresh /sys."""
        return ["nsenter", f"--net={self.path}", *argv]

    def run(self, argv: list[str], **options) -> subprocess.CompletedProcess:
        with self.inside():
            return run(argv, **options)

    def ip(self, lines: str) -> None:
        """Many `ip` commands, one a line, by one process."""
        self.run(["ip", "-batch", "-"], input_text=lines)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in the namespace; sockets it makes there stay there. Threads and processes
        started inside begin there, too."""
        with open(f"/proc/self/task/{threading.get_native_id()}/ns/net", "rb") as home, open(self.path, "rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def sysctl(self, **values: int) -> None:
        """`net__ipv4__ip_forward=1` and the like. Only for names whose parts hold no underscore pairs."""
        with self.inside():
            for name, value in values.items():
                Path("/proc/sys", *name.split("__")).write_text(str(value))

    def read_proc_net(self, name: str) -> str:
        with self.inside():
            return Path("/proc/thread-self/net", name).read_text()

    def processes(self) -> list[int]:
        return [int(pid) for pid in run(["ip", "netns", "pids", self.full_name], check=False).stdout.split()]

    def remove(self) -> None:
        """Also ends what still runs inside: by pid, and only what this namespace holds."""
        if not self.path.exists():
            return
        for pid in self.processes():
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        run(["ip", "netns", "delete", self.full_name], check=False)
