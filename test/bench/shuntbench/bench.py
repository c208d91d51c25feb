# SPDX-License-Identifier: Apache-2.0
"""One run from start to end: all worlds up, rounds, everything away again."""

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from shuntlab import lab
from shuntlab.namespace import CommandFailed, run
from shuntlab.processes import Processes

from . import measure, plan
from .contestants import Contestant, Entry
from .plan import Panel, Size
from .results import Results
from .world import World

PAUSE = 0.5  # seconds, between two endpoint changes that shall not meet

Say = Callable[[str], None]


class Bench:
    """`cpu` is what is measured on; everything else is kept away from it."""

    def __init__(self, size: Size, seed: int, say: Say):
        self.size = size
        self.say = say
        self.random = random.Random(seed)
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise SystemExit("test/bench: it takes two CPUs: one to measure on, one for everything else")
        self.cpu = cpus[-1]
        self.other_cpus = set(cpus[:-1])
        self.results = Results()

    def run(self) -> Results:
        panels = plan.panels(self.size)
        changing = plan.changing(self.size)
        everybody = dict.fromkeys([one for panel in [*panels, *changing] for one in panel.contestants])
        with self._worlds(list(everybody)) as entries:
            for number in range(self.size.rounds):
                begin = time.monotonic()
                for panel in panels:
                    self._ask(panel, entries)
                self.say(f"round {number + 1} of {self.size.rounds}: {time.monotonic() - begin:.0f} s")
            begin = time.monotonic()
            for panel in changing:
                pause = PAUSE if panel.metric == plan.CHANGE else 0
                for one in panel.contestants:
                    for _ in range(self.size.changes):
                        time.sleep(pause)
                        self._add(panel, one, lambda entry=entries[one]: measure.endpoint_change(entry, self.cpu))
                    measure.put_endpoints_back(entries[one])
            self.say(f"endpoint changes: {time.monotonic() - begin:.0f} s")
        return self.results

    def _ask(self, panel: Panel, entries: dict[Contestant, Entry]) -> None:
        order = list(panel.contestants)
        self.random.shuffle(order)
        for one in order:
            self._add(panel, one, lambda entry=entries[one]: self._measure(panel, entry))

    def _add(self, panel: Panel, one: Contestant, take: Callable[[], measure.Sample]) -> None:
        try:
            sample = take()
        except (measure.NotMeasured, CommandFailed) as failure:
            self.say(f"NOT MEASURED: {failure}")
            self.results.failures.append(str(failure))
            sample = measure.Sample(None)
        self.results.add(one, panel, sample)

    def _measure(self, panel: Panel, entry: Entry) -> measure.Sample:
        size = self.size
        if panel.metric == plan.CPU:
            return measure.cpu_per_packet(entry, panel, size.frames, self.cpu)
        if panel.metric == plan.CONNECTIONS:
            return measure.connections_per_second(entry, panel.backend, size.connections, self.cpu)
        return measure.latency(entry, panel.backend, size.requests, self.cpu)

    @contextlib.contextmanager
    def _worlds(self, everybody: list[Contestant]) -> Iterator[dict[Contestant, Entry]]:
        lab.interrupt_on_signals()
        prefix, folder, lock = lab.claim_prefix()
        processes = Processes()
        try:
            if not os.path.ismount(lab.BPFFS):
                run(["mount", "-t", "bpf", "bpf", str(lab.BPFFS)])
            yield self._set_up(everybody, prefix, folder, processes)
        finally:
            with lab.signals_ignored():
                processes.end_all()
                lab.remove_leftovers(prefix, folder)
                lock.close()

    def _set_up(
        self, everybody: list[Contestant], prefix: str, folder: Path, processes: Processes
    ) -> dict[Contestant, Entry]:
        begin = time.monotonic()
        entries = {one: Entry(one, World(prefix, one.world_name, folder, processes)) for one in everybody}
        for entry in entries.values():
            entry.set_up()
        for entry in entries.values():
            entry.wait_ready()
            entry.keep_to(self.other_cpus)
        os.sched_setaffinity(0, self.other_cpus)
        self.say(f"{len(entries)} worlds set up: {time.monotonic() - begin:.0f} s")
        return entries
