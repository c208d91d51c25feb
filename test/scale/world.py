# SPDX-License-Identifier: Apache-2.0
"""An API server and an agent, both whole, in a network namespace of this process alone.
The server answers lists from what it was given, and keeps watches open for whoever has something to say."""

import contextlib
import ctypes
import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from api_server import live
from api_server.core import PLURALS, Answer, Server

from . import objects

BPFFS = Path("/sys/fs/bpf")
_CLONE_NEWNET = 0x40000000
_IN_FORCE = re.compile(r"(\d+) map operations in force")


def make_network() -> None:
    """Before the first thread is made: this process moves into a network namespace of its own."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        raise SystemExit(f"no network namespace of its own: {os.strerror(ctypes.get_errno())}; run it as root")
    if not os.path.ismount(BPFFS):
        subprocess.run(["mount", "-t", "bpf", "bpf", BPFFS], check=True)
    for line in (
        "link set lo up",
        "link add eth0 type veth peer name far",
        f"address add {objects.NODE_ADDRESS}/24 dev eth0",
        "link set far up",
        "link set eth0 up",
        "route add default via 192.0.2.254",
    ):
        subprocess.run(["ip", *line.split()], check=True)


class ApiServer:
    def __init__(self, folder: Path):
        self.lists: dict[str, bytes] = {}
        self.streams: dict[str, list[bytes]] = {}  # of events; empty: a server without streaming lists
        self.listed_at = dict.fromkeys(PLURALS, 0.0)  # when the last byte of it was handed to the kernel
        self._watches: dict[str, queue.Queue] = {plural: queue.Queue() for plural in PLURALS}
        (folder / "token").write_text("scale\n")
        self._server = Server(folder, self._answer)
        self.kubeconfig = folder / "kubeconfig"
        live.write_kubeconfig(folder, f"https://127.0.0.1:{self._server.server_address[1]}")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, plural: str, query: dict, _token: str, answer: Answer) -> None:
        is_stream = "sendInitialEvents" in query
        if is_stream and plural not in self.streams:
            answer.head(422, {"Content-Type": "text/plain"})
            return answer.end()
        answer.head(200, {"Content-Type": "application/json"})
        if is_stream:
            for event in self.streams[plural]:
                answer.piece(event)
            self.listed_at[plural] = time.monotonic()
            answer.end()
        elif query.get("watch"):
            ended = threading.Event()
            self._watches[plural].put(Watch(answer, ended))
            ended.wait()
        else:
            answer.piece(self.lists[plural])
            answer.end()
            self.listed_at[plural] = time.monotonic()

    def next_watch(self, plural: str) -> "Watch":
        """The oldest watch that nobody has asked for yet."""
        return self._watches[plural].get(timeout=60)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Watch:
    def __init__(self, answer: Answer, ended: threading.Event):
        self.say = answer.piece  # events, as bytes
        self._answer = answer
        self._ended = ended

    def end(self) -> None:
        """As the API server does when the time is over."""
        self._answer.end()
        self._ended.set()


class Agent:
    def __init__(self, server: ApiServer, name: str, *more: str):
        self.binary = os.environ["SHUNT"]
        self.pins = BPFFS / f"shunt-scale-{os.getpid()}-{name}"
        argv = [self.binary, "agent", "--kubeconfig", server.kubeconfig, "--node-name", objects.NODE, "--pin-dir", self.pins]
        self.started_at = time.monotonic()
        self.process = subprocess.Popen([*argv, "--max-flows", "16384", *more], stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []  # of its log, but for those that only say "in force"
        self._in_force: queue.Queue[float] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stderr:
            if _IN_FORCE.search(line):
                self._in_force.put(time.monotonic())
            else:
                self.lines.append(line)

    def wait_in_force(self, seconds: float = 60) -> float:
        """When the next change that nobody waited for was in force."""
        try:
            return self._in_force.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError("nothing came into force:\n" + "".join(self.lines[-20:])) from None

    def wait_quiet(self, seconds: float = 1) -> None:
        """Until nothing came into force for so long."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._in_force.get(timeout=seconds)

    def memory(self) -> dict[str, int]:
        """Resident bytes: its own (anonymous), all (with what it maps of the kernel's tables), the most there ever were."""
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        names = {"own": "RssAnon", "all": "VmRSS", "most": "VmHWM"}
        return {name: int(fields[field].split()[0]) * 1024 for name, field in names.items()}

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def services(self) -> list[dict]:
        return json.loads(self.command("services", "-o", "json"))["services"]

    def served_ports(self) -> int:
        return sum(family["served"] for port in self.services() for family in port["families"])

    def command(self, *arguments: str) -> str:
        argv = [self.binary, *arguments, "--pin-dir", self.pins]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stderr.close()
        subprocess.run([self.binary, "detach", "--pin-dir", self.pins], capture_output=True, timeout=60, check=False)
        shutil.rmtree(self.pins, ignore_errors=True)


@contextlib.contextmanager
def server():
    with tempfile.TemporaryDirectory(prefix="shunt-scale-") as folder:
        made = ApiServer(Path(folder))
        try:
            yield made
        finally:
            made.close()


@contextlib.contextmanager
def agent(server: ApiServer, name: str, *more: str):
    made = Agent(server, name, *more)
    try:
        yield made
    finally:
        made.end()
