# SPDX-License-Identifier: Apache-2.0
"""tcpdump on a device, and every checksum in its file computed anew."""

import contextlib
import ipaddress
import re
import signal
import struct
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .namespace import Namespace
from .processes import Processes

_RECORD = struct.Struct("<IIII")
_FILE_HEADER = 24
_PCAP_MAGIC = 0xA1B2C3D4
_ETHERNET = 1

TCP, UDP = 6, 17


class Capture:
    """TCP and UDP on `device`, from construction to stop()."""

    def __init__(self, space: Namespace, device: str, file: Path, processes: Processes):
        self.file = file
        self._log = file.with_suffix(".log")
        self._log.unlink(missing_ok=True)  # it must not show an earlier capture's "listening on"
        # -Z root: else tcpdump becomes another user and cannot write here. --immediate-mode: else what came in
        # the last second before SIGINT is missing from the file. -s: the buffer has a slot of that size for each
        # frame; enough for what the tests send.
        options = ["-Z", "root", "--immediate-mode", "-p", "-n", "-s", "2048", "-B", "16384"]
        command = ["tcpdump", *options, "-i", device, "-w", str(file), "tcp or udp"]
        self._process = processes.start(space, command, self._log)
        deadline = time.monotonic() + 5
        while "listening on" not in self._log.read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"tcpdump: {self._log.read_text()}")
            time.sleep(0.01)

    def stop(self) -> "Checked":
        time.sleep(0.3)  # what was just seen is still on its way to the file
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=10)
        lost = re.search(r"(\d+) packets? dropped by kernel", self._log.read_text())
        checked = check(frames(self.file))
        checked.lost = int(lost.group(1)) if lost else -1
        with contextlib.suppress(FileNotFoundError):
            self.file.unlink()
        return checked


@dataclass
class Checked:
    frames: int = 0
    lost: int = 0  # by the capture, not by the network
    wrong: list[str] = field(default_factory=list)
    by_source: Counter = field(default_factory=Counter)  # IP addresses
    last: bytes = b""  # a frame to try other things on


def frames(file: Path) -> Iterator[bytes]:
    data = file.read_bytes()
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    if magic != _PCAP_MAGIC or link != _ETHERNET:
        raise ValueError(f"{file}: not a little-endian pcap of Ethernet frames")
    offset = _FILE_HEADER
    while offset + _RECORD.size <= len(data):
        _, _, captured, length = _RECORD.unpack_from(data, offset)
        if captured != length:
            raise ValueError("a frame was cut by the capture")
        offset += _RECORD.size
        yield data[offset : offset + captured]
        offset += captured


def check(all_frames: Iterator[bytes]) -> Checked:
    checked = Checked()
    for frame in all_frames:
        checked.frames += 1
        kind, error = check_frame(frame)
        checked.by_source[source_address(frame)] += 1
        checked.last = frame
        if error:
            checked.wrong.append(f"{kind}: {error}: {frame[:80].hex()}")
    return checked


def source_address(frame: bytes) -> str:
    version = frame[14] >> 4
    return str(ipaddress.ip_address(frame[26:30] if version == 4 else frame[22:38]))


def check_frame(frame: bytes) -> tuple[str, str]:
    """What it is, and what is wrong with its checksums: empty if nothing."""
    ether_type = int.from_bytes(frame[12:14], "big")
    if ether_type == 0x0800:
        return _check_ipv4(frame[14:])
    if ether_type == 0x86DD:
        return _check_ipv6(frame[14:])
    return f"ether type {ether_type:#x}", "unexpected"


def _check_ipv4(packet: bytes) -> tuple[str, str]:
    header, length, protocol = packet[: (packet[0] & 15) * 4], int.from_bytes(packet[2:4], "big"), packet[9]
    if not _sums_up(header):
        return "ipv4", "IP header checksum"
    segment = packet[len(header) : length]
    return _check_l4("ipv4", packet[12:20], protocol, segment)


def _check_ipv6(packet: bytes) -> tuple[str, str]:
    length, protocol = int.from_bytes(packet[4:6], "big"), packet[6]
    return _check_l4("ipv6", packet[8:40], protocol, packet[40 : 40 + length])


def _check_l4(family: str, addresses: bytes, protocol: int, segment: bytes) -> tuple[str, str]:
    kind = f"{family} {'tcp' if protocol == TCP else 'udp' if protocol == UDP else protocol}"
    if protocol == UDP and segment[6:8] == b"\0\0":
        return kind, "" if family == "ipv4" else "UDP over IPv6 without a checksum"
    pseudo = addresses + struct.pack("!II", len(segment), protocol)
    return kind, "" if _sums_up(pseudo + segment) else "L4 checksum"


def _sums_up(data: bytes) -> bool:
    """RFC 1071: the 16-bit words, checksum included, add up to 0xffff in ones' complement. As 2**16 is 1 modulo
    0xffff, that sum is the whole taken as one number, modulo 0xffff."""
    return int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF == 0
