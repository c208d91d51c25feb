# SPDX-License-Identifier: Apache-2.0
"""Prometheus' text format, as far as tests need it, and the metric names in expressions."""

import json
import re
import subprocess
from pathlib import Path

import yaml

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_OURS = re.compile(r"\b(?:shunt|kubeproxy|process)_\w+")


class Scrape:
    def __init__(self, text: str):
        self.text = text
        self.samples: dict[tuple[str, frozenset], float] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = _SAMPLE.match(line).groups()
                self.samples[name, frozenset(_LABEL.findall(labels or ""))] = float(value)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    def sum(self, name: str, **labels: str) -> float:
        """Over all series that have these labels. KeyError: there is none."""
        found = [value for (of, has), value in self.samples.items() if of == name and labels.items() <= dict(has).items()]
        if not found:
            raise KeyError(f"{name} {labels}")
        return sum(found)


def expressions(deploy: Path) -> list[str]:
    """Of the alert rules and of the dashboard's panels and variables."""
    rules = yaml.safe_load((deploy / "alerts.yaml").read_text())
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((deploy / "grafana-dashboard.json").read_text())
    found += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return found + [entry["definition"] for entry in dashboard["templating"]["list"] if "definition" in entry]


def metrics_in(expression: str) -> set[str]:
    return set(_OURS.findall(expression))


def promtool(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, timeout=60, check=False)
