# SPDX-License-Identifier: Apache-2.0
"""docs/performance.md: what stands between its markers is made from docs/performance/results.json."""

import re

from shuntlab.lab import PROJECT

from . import plots, tables, test_run
from .findings import Findings

FOLDER = PROJECT / "docs" / "performance"
DOCUMENT = PROJECT / "docs" / "performance.md"


def write(found: Findings) -> None:
    plots.write_all(found, FOLDER)
    text = DOCUMENT.read_text()
    for name, table in {**tables.everything(found), **test_run.everything(FOLDER)}.items():
        begin, end = f"<!-- made by test/bench/report: {name} -->\n", "<!-- end -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{DOCUMENT}: no place for '{name}': write the lines {begin!r} and {end!r}")
        text = pattern.sub(lambda _, new=begin + table + end: new, text)
    DOCUMENT.write_text(text)


def main() -> None:
    write(Findings(FOLDER / "results.json"))


if __name__ == "__main__":
    main()
