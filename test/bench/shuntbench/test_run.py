# SPDX-License-Identifier: Apache-2.0
"""What the kernel's test run says: `shunt bench` and bench_goals, as JSON files and as tables."""

import json
import os
import subprocess
from pathlib import Path

from . import findings, tools
from .markdown import table

PATHS, GOALS = "test-run.json", "test-run-goals.json"


def measure(folder: Path, quick: bool) -> None:
    short = ["--quick"] if quick else []
    for file, argv in {
        PATHS: [os.environ["SHUNT"], "bench", "-o", "json", *short],
        GOALS: [str(tools.folder() / "bench_goals"), "--json", *short],
    }.items():
        # What fails has no figure; the tool says why.
        (folder / file).write_text(subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False).stdout)


def goals(folder: Path) -> str:
    """The goals of the data path, and the flood's."""
    document = json.loads((folder / GOALS).read_text())
    lines = []
    for goal in document["goals"]:
        ratio = f"{goal['to_katran']:.2f}"
        spread = [goal[key] * goal["twin_to_katran"] for key in ("to_twin_min", "to_twin_max")]
        lines.append([
            f"{goal['what']}, {findings.flows_label(goal['flows'])}",
            f"≤ {goal['goal']:g}",
            f"{ratio if goal['met'] else f'**{ratio}**'} ({spread[0]:.2f}–{spread[1]:.2f})",
            f"{goal['ns']:.0f}",
            f"{goal['twin_ns']:.0f}",
            f"{goal['to_twin']:.2f}",
            f"{goal['twin_to_katran']:.2f}",
        ])  # fmt: skip
    titles = ["net ns per packet", "goal, × Katran", "reached", "shunt", "kernel hash", "ratio", "its ratio to Katran"]
    return table(titles, lines)


def floods(folder: Path) -> str:
    document = json.loads((folder / GOALS).read_text())
    lines = [
        [one["contestant"], *(f"{one[key]:,}" for key in ("ns_per_syn", "syns_refused", "established_lost", "honest_refused"))]
        for one in document["floods"]
    ]  # fmt: skip
    return table(["1,000,000 SYNs", "ns per SYN", "refused", "of 3,000 established lost", "of 1,000 honest refused"], lines)


def paths(folder: Path) -> str:
    """A line for each path, family and hook, a column for each number of flows."""
    rows = json.loads((folder / PATHS).read_text())["results"]
    columns = sorted({row["flows"] for row in rows})
    lines = {}
    for row in rows:
        cells = lines.setdefault((row["path"], row["family"], row["hook"]), dict.fromkeys(columns, ""))
        cells[row["flows"]] = f"{row['ns']:.0f} ({row['min']:.0f}–{row['max']:.0f})"
    titles = ["net ns per packet", "", "", *map(findings.flows_label, columns)]
    return table(titles, [[*key, *cells.values()] for key, cells in sorted(lines.items())])


def floor(folder: Path) -> str:
    rows = json.loads((folder / PATHS).read_text())["results"]
    found = {hook: sorted(row["floor_ns"] for row in rows if row["hook"] == hook and "new" not in row["path"])
             for hook in ("xdp", "tc")}  # fmt: skip
    return "Floor (taken off): " + ", ".join(
        f"{hook} {values[len(values) // 2]:.1f} ns ({values[0]:.1f}–{values[-1]:.1f})" for hook, values in found.items()
    ) + ".\n"


def everything(folder: Path) -> dict[str, str]:
    """By the name of the place in the document."""
    return {
        "test run goals": goals(folder),
        "test run floods": floods(folder),
        "test run": paths(folder),
        "test run floor": floor(folder),
    }
