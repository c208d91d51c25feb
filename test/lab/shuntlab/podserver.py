# SPDX-License-Identifier: Apache-2.0
"""What runs in every pod beside nginx: a UDP echo, a line server and a sink and source of many bytes.

Run inside the pod's namespace as `python3 -m shuntlab.podserver NAME`; prints `ready` once it listens.
"""

import asyncio
import contextlib
import socket
import sys
import threading

from . import actors, bulk


class Echo(asyncio.DatagramProtocol):
    """Answers `pod client-address client-port payload`, as this pod sees the client."""

    def __init__(self, pod: str):
        self.pod = pod

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, client: tuple) -> None:
        self.transport.sendto(f"{self.pod} {client[0]} {client[1]} ".encode() + data, client)


class Lines(asyncio.Protocol):
    """Answers each line with the pod's name and the line."""

    def __init__(self, pod: str):
        self.pod = pod.encode()
        self.rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        if lines:
            self.transport.write(b"".join(self.pod + b" " + line + b"\n" for line in lines))


def _any(family: int) -> tuple[int, str]:
    return (socket.AF_INET, "0.0.0.0") if family == 4 else (socket.AF_INET6, "::")


def _udp_socket(kind: int, address: str) -> socket.socket:
    listener = socket.socket(kind, socket.SOCK_DGRAM)
    if kind == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    listener.bind((address, actors.ECHO_PORT))
    return listener


def _serve_bulk(family: int) -> None:
    """Threads, because a digest over many bytes would hold up the event loop."""
    kind, address = _any(family)
    listener = socket.create_server((address, actors.BULK_PORT), family=kind)

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):  # a client may leave in the middle
            bulk.serve(connection)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


async def _serve(pod: str) -> None:
    loop = asyncio.get_running_loop()
    for family in actors.FAMILIES:
        kind, address = _any(family)
        _serve_bulk(family)
        await loop.create_datagram_endpoint(lambda: Echo(pod), sock=_udp_socket(kind, address))
        await loop.create_server(lambda: Lines(pod), address, actors.LINES_PORT, family=kind, backlog=512)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
