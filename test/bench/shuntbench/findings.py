# SPDX-License-Identifier: Apache-2.0
"""results.json, read: rows by what they answer, ratios of values of the same round."""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from . import contestants as c
from . import plan

ORDER = (*c.UNAWARE, *c.RULES, c.SHUNT_TC, c.SHUNT_XDP)


@dataclass(frozen=True)
class Spread:
    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


class Findings:
    def __init__(self, file: Path):
        document = json.loads(file.read_text())
        self.about = document["about"]
        self.size = document["size"]
        self.rows = document["results"]

    def panel(self, metric: str, backend: str, family: int = 4, flows: int = 0, replies: bool = True) -> list[dict]:
        """In the order in which contestants are shown."""
        rows = [
            row
            for row in self.rows
            if (row["metric"], row["backend"], row["family"], row["flows"], row["replies"])
            == (metric, backend, family, flows, replies)
        ]
        return sorted(rows, key=lambda row: (ORDER.index(row["contestant"]), row["services"]))

    def row(self, kind: str, services: int, *panel, **options) -> dict | None:
        """`panel` and `options` as for panel(). None: not measured."""
        for row in self.panel(*panel, **options):
            if (row["contestant"], row["services"]) == (kind, services):
                return row
        return None

    def flows(self) -> list[int]:
        return sorted({row["flows"] for row in self.rows if row["metric"] == plan.CPU})


def ratio(one: dict | None, other: dict | None) -> Spread | None:
    """Of the rounds in which both were measured."""
    if one is None or other is None:
        return None
    pairs = zip(one["values"], other["values"], strict=True)
    ratios = [a / b for a, b in pairs if a is not None and b is not None]
    return Spread.of(ratios) if ratios else None


def label(row: dict) -> str:
    count = row["services"]
    if not count:
        return row["contestant"]
    return f"{row['contestant']}, {count:,} {'Service' if count == 1 else 'Services'}"


def flows_label(flows: int) -> str:
    if flows == 1:
        return "1 flow"
    return f"{flows // 1024}k flows" if flows % 1024 == 0 else f"{flows:,} flows"
