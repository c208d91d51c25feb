# SPDX-License-Identifier: Apache-2.0
"""The API server of a lab that has one: test/api_server/live.py on the router, where both nodes reach it."""

import json
import subprocess
from pathlib import Path

from . import actors
from .namespace import Namespace
from .processes import Processes

PORT = 6443
_TESTS = Path(__file__).resolve().parents[2]


class ApiServer:
    def __init__(self, space: Namespace, processes: Processes, folder: Path, manifests: Path):
        self.space = space
        self.processes = processes
        self.folder = folder / "api"
        self.manifests = manifests
        self.process: subprocess.Popen | None = None
        self.folder.mkdir()

    def start(self) -> None:
        """Also again, after stop(): a server that knows nothing of the resourceVersions of the one before."""
        address = actors.ROUTER_UNDERLAY1.v4
        argv = ["/usr/bin/python3", "-B", "-m", "api_server.live", str(self.folder), str(self.manifests), address, str(PORT)]
        self.process = self.processes.start(self.space, argv, self.folder / "log", {"PYTHONPATH": str(_TESTS)})

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        (self.folder / "log").unlink()

    def is_ready(self) -> bool:
        log = self.folder / "log"
        return log.exists() and log.read_text().endswith("ready\n")

    def requests(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "requests.jsonl").read_text().splitlines()]
