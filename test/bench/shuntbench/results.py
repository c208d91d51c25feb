# SPDX-License-Identifier: Apache-2.0
"""What was found: collected sample by sample, written as one JSON file."""

import json
import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from .contestants import Contestant
from .measure import Sample
from .plan import Panel, Size


@dataclass(frozen=True)
class Key:
    contestant: str
    backend: str
    family: int
    services: int
    flows: int
    metric: str
    replies: bool


@dataclass
class Results:
    samples: dict[Key, list[Sample]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)  # why there is no value

    def add(self, contestant: Contestant, panel: Panel, sample: Sample) -> None:
        key = Key(
            contestant.kind,
            panel.backend,
            panel.family,
            contestant.services,
            panel.flows,
            panel.metric,
            panel.replies,
        )
        self.samples.setdefault(key, []).append(sample)

    def rows(self) -> list[dict]:
        rows = [_row(key, samples) for key, samples in self.samples.items()]
        return [row for row in rows if row["rounds"]]

    def write(self, file: Path, size: Size, **about) -> None:
        """`values` stand in the order of the rounds, null where there is none: ratios are made of values of the same
        round."""
        head = {"about": {**machine(), **about}, "size": vars(size), "failures": self.failures}
        rows = ",\n".join("  " + json.dumps(row) for row in self.rows())
        file.write_text(json.dumps(head, indent=1)[:-2] + f',\n "results": [\n{rows}\n ]\n}}\n')


def _row(key: Key, samples: list[Sample]) -> dict:
    all_values = [None if sample.value is None else round(sample.value, 3) for sample in samples]
    values = [value for value in all_values if value is not None]
    return {
        **vars(key),
        "median": round(statistics.median(values), 3) if values else None,
        "min": min(values, default=None),
        "max": max(values, default=None),
        "rounds": len(values),
        "lost": sum(sample.lost for sample in samples),
        "sent": sum(sample.sent for sample in samples),
        "values": all_values,
    }


def machine() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "CPU part"))]
    families = [line.split(":", 1)[1].strip() for line in lines if line.startswith("cpu family")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": models[0] if models else platform.machine(),
        "cpu_family": families[0] if families else "",
        "cpus": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "kernel": platform.release().split("-")[0],
        "virtual": any("hypervisor" in line for line in lines if line.startswith("flags")),
    }
