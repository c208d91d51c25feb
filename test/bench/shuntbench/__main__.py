# SPDX-License-Identifier: Apache-2.0
"""The command behind test/bench/run."""

import argparse
import dataclasses
import random
import time
from pathlib import Path

from shuntlab.lab import PROJECT

from . import plan, plots, report, tables, test_run
from .bench import Bench
from .findings import Findings


def main() -> None:
    parser = argparse.ArgumentParser(prog="test/bench/run")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path, default=PROJECT / "build" / "bench")
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(10000))
    arguments = parser.parse_args()
    size = plan.QUICK if arguments.quick else plan.FULL
    if arguments.rounds:
        size = dataclasses.replace(size, rounds=arguments.rounds)
    folder = report.FOLDER if arguments.docs else arguments.output
    folder.mkdir(parents=True, exist_ok=True)

    begin = time.monotonic()
    print(f"seed {arguments.seed}", flush=True)
    results = Bench(size, arguments.seed, lambda text: print(text, flush=True)).run()
    results.write(folder / "results.json", size, seed=arguments.seed, quick=arguments.quick,
                  minutes=round((time.monotonic() - begin) / 60, 1))  # fmt: skip
    found = Findings(folder / "results.json")
    plots.write_all(found, folder)
    print(tables.as_text(found))
    print(f"{folder}/results.json and {folder}/*.svg, after {(time.monotonic() - begin) / 60:.1f} minutes")
    if arguments.docs:
        test_run.measure(folder, arguments.quick)
        report.write(found)
    if results.failures:
        raise SystemExit(f"{len(results.failures)} measurements failed; what they said stands above")


if __name__ == "__main__":
    main()
