# SPDX-License-Identifier: Apache-2.0
"""One request at a time, from chosen source ports: HTTP over TCP, and the echo over UDP.

Call these inside the client's namespace. Nothing here tries twice. The kernel does, though: a lost SYN is sent
again after a second, and the connection comes out well. So each answer also says how many segments were sent
again, and tests look at it.
"""

import json
import socket
import struct
from dataclasses import dataclass

from .patience import FACTOR

_KINDS = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True)
class Target:
    """A frontend as the client dials it."""

    family: int
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}" if self.family == 4 else f"[{self.address}]:{self.port}"


@dataclass(frozen=True)
class Answer:
    pod: str
    client: str  # whom the pod saw
    port: int
    forwarded_for: str = ""
    sent_again: int = 0  # segments


def retransmitted(connection: socket.socket) -> int:
    """tcpi_total_retrans: the 24th of the 32-bit words that follow the first eight bytes of struct tcp_info."""
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("=I", information, 8 + 23 * 4)[0]


def connect(target: Target, source: tuple[str, int] | None = None, timeout: float = 3 * FACTOR) -> socket.socket:
    connection = socket.socket(_KINDS[target.family], socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        if source:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            connection.bind(source)
        connection.connect((target.address, target.port))
    except BaseException:
        connection.close()
        raise
    return connection


def request_bytes(target: Target, path: str = "/") -> bytes:
    """nginx closes first, so that TIME_WAIT stays with the pod and the client's port is free at once."""
    return f"GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n".encode()


def parse(response: bytes, sent_again: int = 0) -> Answer:
    head, _, body = response.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"not a 200: {response[:60]!r}")
    fields = json.loads(body)
    return Answer(fields["pod"], fields["client"], fields["port"], fields["for"], sent_again)


def http(target: Target, source: tuple[str, int] | None = None, timeout: float = 3 * FACTOR, path: str = "/") -> Answer:
    with connect(target, source, timeout) as connection:
        connection.sendall(request_bytes(target, path))
        response = b""
        while block := connection.recv(4096):
            response += block
        return parse(response, retransmitted(connection))


def fails(target: Target, error: type[OSError], timeout: float) -> bool:
    """In this way; other errors are raised."""
    try:
        http(target, timeout=timeout)
    except error:
        return True
    return False


def udp_socket(target: Target, source: tuple[str, int] | None = None, timeout: float = 2 * FACTOR) -> socket.socket:
    conversation = socket.socket(_KINDS[target.family], socket.SOCK_DGRAM)
    try:
        conversation.settimeout(timeout)
        if source:
            conversation.bind(source)
        conversation.connect((target.address, target.port))
    except BaseException:
        conversation.close()
        raise
    return conversation


def udp(target: Target, source: tuple[str, int] | None = None, timeout: float = 2 * FACTOR) -> Answer:
    with udp_socket(target, source, timeout) as conversation:
        payload = f"question from {source}".encode()
        conversation.send(payload)
        pod, client, port, echoed = conversation.recv(2048).split(b" ", 3)
        if echoed != payload:
            raise ValueError(f"asked {payload!r}, heard {echoed!r}")
        return Answer(pod.decode(), client.decode(), int(port))
