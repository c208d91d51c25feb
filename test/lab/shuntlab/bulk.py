# SPDX-License-Identifier: Apache-2.0
"""Many bytes that differ everywhere, so that one lost, doubled or swapped shows in a SHA-256.

The conversation: `GET n` or `PUT n` on a line, then n bytes the one way or the other, then the digest of the
side that sent them (GET) or received them (PUT), on a line.
"""

import hashlib
import random
import socket
from collections.abc import Iterator

BLOCK = 1 << 18
_PATTERN = random.Random(2544).randbytes(BLOCK)


def blocks(size: int) -> Iterator[bytes]:
    """`size` bytes: a fixed pattern, each block with its own number at the front."""
    for number in range((size + BLOCK - 1) // BLOCK):
        block = number.to_bytes(8, "big") + _PATTERN[8:]
        yield block[: size - number * BLOCK]


def send(connection: socket.socket, size: int) -> str:
    digest = hashlib.sha256()
    for block in blocks(size):
        connection.sendall(block)
        digest.update(block)
    return digest.hexdigest()


def receive(stream, size: int) -> str:
    digest = hashlib.sha256()
    while size > 0:
        block = stream.read1(min(size, BLOCK))
        if not block:
            raise ConnectionError(f"closed with {size} bytes to go")
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()


def serve(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as stream:
        verb, size = stream.readline().split()
        digest = send(connection, int(size)) if verb == b"GET" else receive(stream, int(size))
        connection.sendall(digest.encode() + b"\n")


def download(connection: socket.socket, size: int) -> tuple[str, str]:
    """The digests of what arrived and of what was sent."""
    with connection, connection.makefile("rb") as stream:
        connection.sendall(f"GET {size}\n".encode())
        return receive(stream, size), stream.readline().decode().strip()


def upload(connection: socket.socket, size: int) -> tuple[str, str]:
    """The digests of what arrived and of what was sent."""
    with connection, connection.makefile("rb") as stream:
        connection.sendall(f"PUT {size}\n".encode())
        sent = send(connection, size)
        return stream.readline().decode().strip(), sent
