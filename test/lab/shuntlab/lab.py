# SPDX-License-Identifier: Apache-2.0
"""One lab from start to end. Everything it makes carries its prefix: two labs never meet, and what a killed
one left behind is found by name.

    with Lab() as lab:
        ...
"""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from . import actors, alb, manifests, patience, topology, webserver
from .agent import Agent
from .apiserver import ApiServer
from .manifests import Manifests
from .namespace import RUN_NETNS, Namespace, run
from .processes import Processes

BPFFS = Path("/sys/fs/bpf")
FOLDERS = "shunt-lab-"  # in the directory for temporary files
PROJECT = Path(__file__).resolve().parents[3]


def binary() -> Path:
    """$SHUNT, else the first build there is."""
    builds = [PROJECT / "build" / preset / "shunt" for preset in ("ci", "release", "dev")]
    for candidate in (os.environ.get("SHUNT"), *builds):
        if candidate and Path(candidate).exists():
            return Path(candidate).resolve()
    raise SystemExit("no shunt binary: set SHUNT, or cmake --preset release && cmake --build --preset release")


def reads_the_api() -> bool:
    """$SHUNT_LAB_SOURCE: "api", or "manifests" as without it."""
    source = os.environ.get("SHUNT_LAB_SOURCE", "manifests")
    if source not in ("api", "manifests"):
        raise SystemExit(f'SHUNT_LAB_SOURCE is "{source}": it is "manifests" or "api"')
    return source == "api"


class Lab:
    """`mode` and `offloads` as in `shunt agent --mode` and topology.build(); `example_only` leaves out the lab's own
    Services; `api`: an API server on the router serves the manifests, and the agents read it instead of them. Without it
    $SHUNT_LAB_SOURCE decides."""

    def __init__(
        self, *, mode: str = "auto", offloads: bool = False, example_only: bool = False, api: bool | None = None
    ):
        self.api_server: ApiServer | None = None
        self.api = reads_the_api() if api is None else api
        self.example_only = example_only
        self.mode = mode
        self.offloads = offloads
        self.prefix, self.folder, self._lock = claim_prefix()
        self.spaces = topology.namespaces(self.prefix)
        self.processes = Processes()
        self.manifests = Manifests(self.folder / "manifests", self.folder / "staging")
        self.agents: dict[str, Agent] = {}

    def __enter__(self) -> "Lab":
        interrupt_on_signals()
        try:
            self.start_network()
            self.start_servers()
            self.start_agents()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def start_network(self) -> None:
        if not os.path.ismount(BPFFS):
            run(["mount", "-t", "bpf", "bpf", str(BPFFS)])
        topology.build(self.spaces, offloads=self.offloads)

    def start_servers(self) -> None:
        self.manifests.put_example()
        if not self.example_only:
            self.manifests.put_lab_services()
        if self.api:
            self.api_server = ApiServer(self.spaces["router"], self.processes, self.folder, self.manifests.folder)
            self.api_server.start()
        python_path = {"PYTHONPATH": str(PROJECT / "test" / "lab"), "PYTHONDONTWRITEBYTECODE": "1"}
        waiting: list[Callable[[], bool]] = [self.api_server.is_ready] if self.api_server else []
        for pod in actors.PODS.values():
            space, folder = self.spaces[pod.name], self.folder / pod.name
            self.processes.start(space, webserver.write_pod(folder, pod), folder / "nginx.log")
            log = folder / "server.log"
            server = ["/usr/bin/python3", "-m", "shuntlab.podserver", pod.name]
            self.processes.start(space, server, log, python_path)
            waiting.append(lambda log=log: log.read_text() == "ready\n")
            waiting.append((folder / "nginx.pid").exists)
        folder = self.folder / "alb"
        rules = alb.rules(manifests.filled_in_example())
        self.processes.start(self.spaces["alb"], webserver.write_alb(folder, rules), folder / "nginx.log")
        waiting.append((folder / "nginx.pid").exists)
        _wait_until(lambda: all(is_up() for is_up in waiting), "the servers in the pods")

    def start_agents(self) -> None:
        shunt = binary()
        for name in actors.NODES:
            agent = Agent(
                name,
                self.spaces[name],
                self.processes,
                binary=shunt,
                source=self.source(),
                pin_dir=BPFFS / f"{self.prefix}-{name}",
                log=self.folder / f"{name}.log",
                mode=self.mode,
            )
            self.agents[name] = agent
            agent.start(wait=False)
        for agent in self.agents.values():
            agent.wait_synced()

    def source(self) -> tuple[str, ...]:
        if self.api_server:
            return ("--kubeconfig", str(self.api_server.folder / "kubeconfig"))
        return ("--manifests", str(self.manifests.folder))

    def keep(self) -> None:
        """close() leaves everything up; clean() removes it later."""
        (self.folder / "kept").touch()
        self._lock.close()

    @property
    def kept(self) -> bool:
        return (self.folder / "kept").exists()

    def close(self) -> None:
        if self.kept:
            return
        with signals_ignored():
            self.processes.end_all()
            remove_leftovers(self.prefix, self.folder)
            self._lock.close()


def clean() -> list[str]:
    """Removes labs that were kept, and those whose owner was killed. Returns their prefixes."""
    return _sweep(also_kept=True)


def _sweep(*, also_kept: bool) -> list[str]:
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        if (folder / "kept").exists() and not also_kept:
            continue
        with contextlib.suppress(OSError), open(folder / "owner", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while the owner lives
            prefix = folder.name.removeprefix(FOLDERS)
            remove_leftovers(prefix, folder)
            removed.append(prefix)
    return removed


def remove_leftovers(prefix: str, folder: Path) -> None:
    for path in RUN_NETNS.glob(f"{prefix}-*"):
        Namespace(path.name).remove()
    for path in BPFFS.glob(f"{prefix}-*"):
        shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def claim_prefix() -> tuple[str, Path, object]:
    """A prefix that no other lab has. The lock on `owner` lasts as long as this process: that is how others know
    that the lab is alive. It is taken before the file has its name, so that nobody can come in between."""
    _sweep(also_kept=False)
    for suffix in ("", *"bcdefgh"):
        prefix = "s" + _base36(os.getpid()) + suffix
        folder = Path(tempfile.gettempdir(), FOLDERS + prefix)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o755)
            lock = open(folder / "owner.new", "wb")  # noqa: SIM115: lives as long as the lab
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(folder / "owner.new", folder / "owner")
            return prefix, folder, lock
    raise RuntimeError("this process has too many labs")


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def interrupt_on_signals() -> None:
    """So that `with` blocks and test cleanups run, whoever ends us. unittest swallows SystemExit."""

    def interrupt(*_):
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


@contextlib.contextmanager
def signals_ignored():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _wait_until(is_true, what: str, seconds: float = 15) -> None:
    seconds *= patience.FACTOR
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)
