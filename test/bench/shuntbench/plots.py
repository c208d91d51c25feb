# SPDX-License-Identifier: Apache-2.0
"""Findings as SVG: horizontal bars, medians, with whiskers from min to max. Legible on light and dark."""

from html import escape
from pathlib import Path

from . import contestants as c
from . import findings, plan
from .findings import Findings

WIDTH, LEFT, RIGHT = 800, 230, 110
BAR, GAP, HEAD = 15, 6, 26

_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.group { font-weight: 600 }
.note, .tick { fill: #57606a; font-size: 11px }
.grid { stroke: #d0d7de; stroke-width: 1 }
.whisker { stroke: #24292f; stroke-width: 1.2; fill: none }
.reference { fill: #9aa4af } .rules { fill: #d9822b } .shunt { fill: #2f81f7 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note, .tick { fill: #9da7b3 } .grid { stroke: #3d444d } .whisker { stroke: #e6edf3 }
  .reference { fill: #6e7781 } .rules { fill: #c9701c } .shunt { fill: #4493f8 }
}
"""

Group = tuple[str, list[dict]]  # a heading and its rows


def write_all(found: Findings, folder: Path) -> None:
    for file, chart in _charts(found).items():
        (folder / file).write_text(chart)


def _charts(found: Findings) -> dict[str, str]:
    def cpu(backend: str, family: int) -> list[Group]:
        groups = [(findings.flows_label(n), found.panel(plan.CPU, backend, family, n)) for n in found.flows()]
        return [group for group in groups if group[1]]

    def both(metric: str) -> list[Group]:
        return [(f"{backend} backends", found.panel(metric, backend)) for backend in ("remote", "local")]

    packet = "CPU time per delivered packet"
    less, more = "less is better; median, min to max", "more is better; median, min to max"
    return {
        "cpu-remote.svg": _chart(f"{packet}, backend on another node", f"ns, {less}", cpu("remote", 4)),
        "cpu-local.svg": _chart(f"{packet}, backend on this node", f"ns, {less}", cpu("local", 4)),
        "connections.svg": _chart("TCP connections per second of CPU time", more, both(plan.CONNECTIONS)),
        "latency.svg": _chart(
            "A byte there and back on an established connection, p50", f"µs, {less}", both(plan.LATENCY)
        ),
        "endpoint-change.svg": _chart(
            "From a changed EndpointSlice to the first packet at the new pod",
            f"ms, {less}",
            [
                ("a change alone", found.panel(plan.CHANGE, "remote")),
                ("right after another change", found.panel(plan.CHANGE_AFTER_CHANGE, "remote")),
            ],
        ),
    }


def _chart(title: str, note: str, groups: list[Group]) -> str:
    most = max((row["max"] for _, rows in groups for row in rows), default=1)
    step = _step(most)
    top = step * -(-most // step)
    height = 56 + sum(HEAD + len(rows) * (BAR + GAP) for _, rows in groups) + 30

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / top

    body = [_text(16, 24, title, "title"), _text(16, 42, note, "note")]
    for number in range(round(top / step) + 1):
        at = x(number * step)
        body.append(f'<line class="grid" x1="{at:.1f}" y1="52" x2="{at:.1f}" y2="{height - 26}"/>')
        body.append(_text(at, height - 10, f"{number * step:,g}", "tick", "middle"))
    y = 56
    for heading, rows in groups:
        body.append(_text(16, y + 17, heading, "group"))
        y += HEAD
        for row in rows:
            body.append(_bar(row, y, x))
            y += BAR + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">\n<style>\n{_STYLE}</style>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _bar(row: dict, y: int, x) -> str:
    low, middle, high, centre = x(row["min"]), x(row["median"]), x(row["max"]), y + BAR / 2
    value = f"{row['median']:,.0f}" if row["median"] >= 100 else f"{row['median']:.1f}"
    return "\n".join(
        [
            _text(LEFT - 8, y + 12, findings.label(row), "", "end"),
            f'<rect class="{_look(row)}" x="{LEFT}" y="{y}" width="{middle - LEFT:.1f}" height="{BAR}" rx="2"/>',
            f'<path class="whisker" d="M{low:.1f} {centre}H{high:.1f}M{low:.1f} {y + 4}v{BAR - 8}'
            f'M{high:.1f} {y + 4}v{BAR - 8}"/>',
            _text(max(high, middle) + 6, y + 12, value, ""),
        ]
    )


def _look(row: dict) -> str:
    if row["contestant"] in c.SHUNT:
        return "shunt"
    return "rules" if row["contestant"] in c.RULES else "reference"


def _text(x: float, y: float, text: str, look: str, anchor: str = "start") -> str:
    return f'<text class="{look}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _step(most: float) -> float:
    """1, 2 or 5 times a power of ten: four to ten steps."""
    power = 1.0
    while most / power >= 10:
        power *= 10
    while most / power < 1:
        power /= 10
    return next(power * part for part in (0.2, 0.5, 1, 2) if most / (power * part) <= 8)
