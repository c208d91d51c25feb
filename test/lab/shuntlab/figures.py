# SPDX-License-Identifier: Apache-2.0
"""Figures that the tests print and judge by."""

import json
from collections.abc import Iterable

from .namespace import Namespace, run

# Upper critical values of chi-squared at p = 0.001, by degrees of freedom.
CHI_SQUARED_AT_001 = {1: 10.828, 2: 13.816, 3: 16.266, 4: 18.467, 5: 20.515}


def chi_squared(counts: Iterable[int]) -> float:
    """Against equal shares."""
    counts = list(counts)
    if not any(counts):
        return 0.0
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 / expected for count in counts)


def checksum_errors(space: Namespace) -> dict[str, int]:
    """Every counter of the kernel that has InCsumErrors in its name."""
    counters = {name: value for name, value in snmp(space).items() if "InCsumErrors" in name}
    if not counters:
        raise LookupError("the kernel counts no checksum errors?")
    return counters


def snmp(space: Namespace) -> dict[str, int]:
    """/proc/net/snmp, netstat and snmp6, as `Ip.ForwDatagrams` and `Ip6OutForwDatagrams`."""
    found = {}
    for file in ("snmp", "netstat"):
        lines = space.read_proc_net(file).splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=True):
            group = names.split(":")[0]
            for name, value in zip(names.split()[1:], values.split()[1:], strict=True):
                found[f"{group}.{name}"] = int(value)
    for line in space.read_proc_net("snmp6").splitlines():
        name, value = line.split()
        found[name] = int(value)
    return found


def forwarded_by_the_stack(space: Namespace) -> dict[str, int]:
    counters = snmp(space)
    return {name: counters[name] for name in ("Ip.ForwDatagrams", "Ip6OutForwDatagrams")}


def program(number: int) -> dict:
    """What the kernel says about a BPF program: `tag` is a digest of its instructions; `run_cnt`, how often it ran,
    is there while kernel.bpf_stats_enabled is 1."""
    return json.loads(run(["bpftool", "prog", "show", "id", str(number), "--json"]).stdout)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
