# SPDX-License-Identifier: Apache-2.0
"""How many programs hang at a device's tc hooks, whether as tcx links (Linux 6.6 and newer; Debian 12's tools do
not know them yet) or as clsact filters."""

import ctypes
import json
import socket
import struct
import subprocess

from .bpf import BPF_PROG_QUERY, bpf

ATTACH_TYPES = {"ingress": 46, "egress": 47}  # BPF_TCX_INGRESS, BPF_TCX_EGRESS
_MOST = 64


def programs(device: str, direction: str) -> int:
    """Call it inside the namespace."""
    return _tcx(device, direction) + clsact(device, direction)


def _tcx(device: str, direction: str) -> int:
    ids = (ctypes.c_uint32 * _MOST)()
    # The `query` member of union bpf_attr: target, attach type, two flags, address of the ids, their number.
    where = (socket.if_nametoindex(device), ATTACH_TYPES[direction])
    query = struct.pack("=IIIIQI", *where, 0, 0, ctypes.addressof(ids), _MOST)
    try:
        bpf(BPF_PROG_QUERY, query)
    except OSError:
        return 0  # nothing there, or a kernel without tcx
    return sum(1 for program in ids if program)


def clsact(device: str, direction: str) -> int:
    """Filters only. Call it inside the namespace."""
    command = ["tc", "-j", "filter", "show", "dev", device, direction]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return sum(1 for entry in json.loads(shown.stdout or "[]") if "options" in entry and "bpf" in entry.get("kind", ""))
