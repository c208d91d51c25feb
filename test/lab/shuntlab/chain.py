# SPDX-License-Identifier: Apache-2.0
"""XDP programs that share a device through libxdp, as xdp-loader (package xdp-tools) puts them there and lists them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from .namespace import Namespace, run


@dataclass(frozen=True)
class Member:
    name: str
    program: int  # id


def load(space: Namespace, device: str, program: Path) -> None:
    space.run(["xdp-loader", "load", "-m", "native", device, str(program)])


def unload(space: Namespace, device: str, *which: str) -> None:
    """`which`: `--all`, or `--id` and the id."""
    space.run(["xdp-loader", "unload", device, *which])


def members(space: Namespace, device: str) -> list[Member] | None:
    """In the order in which they run; None if the device has no dispatcher."""
    shown = space.run(["xdp-loader", "status", device]).stdout
    if "xdp_dispatcher" not in shown:
        return None
    found = re.findall(r"^ =>\s+\d+\s+(\S+)\s+(\d+)\s", shown, re.MULTILINE)
    return [Member(name, int(program)) for name, program in found]


def counted(member: Member) -> int:
    """How many packets counting.bpf.c has seen."""
    shown = json.loads(run(["bpftool", "prog", "show", "id", str(member.program), "--json"]).stdout)
    for number in shown["map_ids"]:
        entries = json.loads(run(["bpftool", "map", "dump", "id", str(number), "--json"]).stdout)
        if run(["bpftool", "map", "show", "id", str(number)]).stdout.split()[3] == "counted":
            return int(entries[0]["formatted"]["value"])
    raise LookupError(f"program {member} does not count")
