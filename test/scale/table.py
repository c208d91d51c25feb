# SPDX-License-Identifier: Apache-2.0
"""The results as a Markdown table, on the terminal and in docs/performance.md."""

import json
import statistics
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[2]
_BEGIN, _END = "<!-- made by test/scale/run -->\n", "<!-- end -->"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms" if seconds < 0.1 else f"{1000 * seconds:,.0f} ms"


def _percentiles(times: list[float]) -> str:
    return f"{_ms(statistics.median(times))}, {_ms(statistics.quantiles(times, n=100)[98])}"


def _mib(size: float) -> str:
    return f"{size / 2**20:.1f} MiB"


_ROWS = (
    ("Service ports served", lambda run: f"{run['served']:,}"),
    ("lists, uncompressed", lambda run: _mib(sum(run["list_bytes"].values()))),
    ("last byte of the last list → maps in force", lambda run: _ms(run["list"])),
    ("start of the process → maps in force", lambda run: _ms(run["start"])),
    ("a change → in force, agent idle: p50, p99", lambda run: _percentiles(run["idle"])),
    ("a change right after another: p50, p99", lambda run: _percentiles(run["after"])),
    ("CPU time of a change, all that follows included", lambda run: _ms(run["cpu"])),
    ("resident memory, the agent's own", lambda run: _mib(run["memory"]["own"])),
    ("resident memory with mapped tables; its peak", lambda run: f"{_mib(run['memory']['all'])}; {_mib(run['memory']['most'])}"),
    ("scrape of /metrics", lambda run: f"{_ms(run['scrape'])}, {run['scrape_bytes'] / 1024:.0f} KiB"),
)


def text(results: dict) -> str:
    runs = results["runs"]
    lines = [f"{results['machine']}; {results['changes']} pairs of changes.\n"]
    lines.append("| | " + " | ".join(f"{run['services']:,} Services" + ("" if run["has_streams"] else ", no streaming list") for run in runs) + " |")
    lines.append("| --- |" + " ---: |" * len(runs))
    lines += ["| " + " | ".join([title, *map(cell, runs)]) + " |" for title, cell in _ROWS]
    return "\n".join(lines) + "\n"


def write_docs(results: dict) -> None:
    (_PROJECT / "docs/performance/scale.json").write_text(json.dumps(results) + "\n")
    page = _PROJECT / "docs/performance.md"
    before, _, rest = page.read_text().partition(_BEGIN)
    page.write_text(before + _BEGIN + text(results) + _END + rest.partition(_END)[2])
