# SPDX-License-Identifier: Apache-2.0
"""One node's agent: the process, its log, and the commands of the same binary on that node."""

import json
import subprocess
import time
from pathlib import Path

from .actors import Addresses
from .namespace import Namespace
from .patience import FACTOR
from .processes import Processes

# How long an agent may take from its start to its first sync; generous for sanitizer builds on a busy machine.
SYNC_SECONDS = int(20 * FACTOR)


class AgentFailed(AssertionError):
    """The agent or one of its commands did not do what the lab needs."""


class Agent:
    """`source`: the options that name it; `mode`: as in `shunt agent --mode`."""

    def __init__(
        self,
        node_name: str,
        space: Namespace,
        processes: Processes,
        *,
        binary: Path,
        source: tuple[str, ...],
        pin_dir: Path,
        log: Path,
        mode: str,
    ):
        self.node_name = node_name
        self.space = space
        self.processes = processes
        self.binary = binary
        self.source = source
        self.pin_dir = pin_dir
        self.log_path = log
        self.mode = mode
        self.more_arguments: tuple[str, ...] = ()
        self.run_by: tuple[str, ...] = ()  # the command that runs the agent, if not the lab itself
        self.process: subprocess.Popen | None = None

    def argv(self) -> list[str]:
        return [
            *self.run_by,
            str(self.binary),
            "agent",
            *self.source,
            *("--node-name", self.node_name),
            *("--pin-dir", str(self.pin_dir)),
            *("--mode", self.mode),
            *("--max-flows", "16384"),
            *self.more_arguments,
        ]

    def start(self, binary: Path | None = None, *, wait: bool = True) -> None:
        """`binary` replaces the one used so far. The log goes on in one file."""
        self.binary = binary or self.binary
        self.process = self.processes.start(self.space, self.argv(), self.log_path)
        if wait:
            self.wait_synced()

    def wait_synced(self) -> None:
        deadline = time.monotonic() + SYNC_SECONDS
        while True:
            result = self.command("status", "--wait", str(SYNC_SECONDS))
            # Until the agent has made its maps there is nothing to wait for, and `status` says so at once.
            if result.returncode == 0:
                return
            if self.process and self.process.poll() is not None:
                raise AgentFailed(f"{self.node_name}: ended with {self.process.returncode}\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise AgentFailed(f"{self.node_name}: not synced\n{result.stdout}{result.stderr}\n{self.log_tail()}")
            time.sleep(0.05)

    def kill(self) -> int:
        """As a crash or the OOM killer would. Returns the pid that is gone."""
        pid = self.process.pid
        self.process.kill()
        self.process.wait()
        return pid

    def stop(self) -> None:
        """As a service manager would."""
        self.process.terminate()
        self.process.wait(timeout=10 * FACTOR)

    def command(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess:
        """`shunt ARGUMENTS` on this node. Needs no living agent."""
        argv = [str(self.binary), *arguments, "--pin-dir", str(self.pin_dir)]
        return self.space.run(argv, check=False, timeout=timeout)

    def read(self, *arguments: str) -> str:
        result = self.command(*arguments)
        if result.returncode != 0:
            command = " ".join(arguments)
            raise AgentFailed(f"shunt {command}: exit {result.returncode}\n{result.stdout}{result.stderr}")
        return result.stdout

    def read_json(self, *arguments: str):
        return json.loads(self.read(*arguments, "-o", "json"))

    def takes_new_flows(self, service: str, addresses: Addresses) -> bool:
        """Whether the maps give new flows of the Service to a pod with these addresses."""
        return any(
            backend["address"] in (addresses.v4, addresses.v6) and backend["share"] > 0
            for port in self.read_json("services", service)["services"]
            for backend in port["backends"]
        )

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log().splitlines()[-lines:])
