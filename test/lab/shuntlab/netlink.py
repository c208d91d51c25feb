# SPDX-License-Identifier: Apache-2.0
"""Which XDP program a device carries, as rtnetlink says it, asked for and overheard."""

import contextlib
import os
import select
import socket
import struct
import time
from dataclasses import dataclass, field

RTMGRP_LINK = 1
RTM_NEWLINK, RTM_GETLINK = 16, 18
NLM_F_REQUEST = 1
IFLA_IFNAME, IFLA_XDP = 3, 43
IFLA_XDP_ATTACHED, IFLA_XDP_PROG_ID = 2, 4
NLA_TYPE_MASK = 0x3FFF

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
_ATTRIBUTE = struct.Struct("=HH")

# linux/if_link.h
MODES = {0: "none", 1: "xdp", 2: "xdpgeneric", 3: "xdpoffload", 4: "several"}


@dataclass(frozen=True)
class Xdp:
    device: str
    mode: str
    program: int  # id; 0: none


def ask(device: str) -> Xdp:
    """Call it inside the namespace."""
    with _open(0) as netlink:
        return _ask(netlink, device)


@dataclass
class Watch:
    """What a watch over some devices saw. `absent` lists the times at which one had no native XDP program."""

    overheard: int = 0  # notifications about them
    asked: int = 0
    absent: list[float] = field(default_factory=list)
    programs: dict[str, list[int]] = field(default_factory=dict)  # ids in the order of their appearance
    widest_pause: float = 0  # between two questions: what could have gone unseen if it made no notification


def watch(stop, devices: list[str], period: float = 0.01) -> Watch:
    """For Background. Listens to notifications, and asks every few milliseconds as well: replacing a program
    through its bpf_link notifies nobody, an attach or a detach by rtnetlink does."""
    seen = Watch(programs={device: [] for device in devices})
    with _open(RTMGRP_LINK) as monitor, _open(0) as asker:
        before = time.monotonic()
        while not stop.is_set():
            readable, _, _ = select.select([monitor], [], [], period)
            if readable:
                for xdp in _parse(monitor.recv(65536)):
                    if xdp.device in devices:
                        seen.overheard += 1
                        _note(seen, xdp)
            for device in devices:
                seen.asked += 1
                _note(seen, _ask(asker, device))
            now = time.monotonic()
            seen.widest_pause, before = max(seen.widest_pause, now - before), now
    return seen


def _note(seen: Watch, xdp: Xdp) -> None:
    if xdp.mode != "xdp":
        seen.absent.append(time.monotonic())
    if xdp.program not in seen.programs[xdp.device]:
        seen.programs[xdp.device].append(xdp.program)


@contextlib.contextmanager
def _open(groups: int):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.bind((0, groups))
        yield netlink


def _ask(netlink: socket.socket, device: str) -> Xdp:
    link = _LINK.pack(socket.AF_UNSPEC, 0, socket.if_nametoindex(device), 0, 0)
    netlink.send(_HEADER.pack(_HEADER.size + len(link), RTM_GETLINK, NLM_F_REQUEST, 1, os.getpid()) + link)
    for xdp in _parse(netlink.recv(65536)):
        return xdp
    raise OSError(f"no answer about {device}")


def _parse(data: bytes) -> list[Xdp]:
    found = []
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if kind == RTM_NEWLINK:
            attributes = _attributes(data[_HEADER.size + _LINK.size : length])
            xdp = _attributes(attributes.get(IFLA_XDP, b""))
            name = attributes[IFLA_IFNAME].rstrip(b"\0").decode()
            mode = MODES[xdp.get(IFLA_XDP_ATTACHED, b"\0")[0]]
            found.append(Xdp(name, mode, int.from_bytes(xdp.get(IFLA_XDP_PROG_ID, b""), "little")))
        data = data[_aligned(length) :]
    return found


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & NLA_TYPE_MASK] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
