# SPDX-License-Identifier: Apache-2.0
"""The benchmark's C++ tools, and small things around them."""

import os
from pathlib import Path

from shuntlab.lab import PROJECT
from shuntlab.namespace import Namespace


def folder() -> Path:
    """$BENCH_TOOLS, else those of the release build."""
    return Path(os.environ.get("BENCH_TOOLS", PROJECT / "build" / "release" / "test" / "bench"))


def argv(tool: str, command: str, **arguments) -> list[str]:
    """`dport=…` and so on; underscores become dashes."""
    return [str(folder() / tool), command, *(f"{key.replace('_', '-')}={value}" for key, value in arguments.items())]


def run(space: Namespace, tool: str, command: str, **arguments) -> str:
    return space.run(argv(tool, command, **arguments), timeout=300).stdout
