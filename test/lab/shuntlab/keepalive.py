# SPDX-License-Identifier: Apache-2.0
"""HTTP connections that stay open and ask again at a fixed beat: what a client of nginx's port can hold on to."""

import contextlib
import socket
import time
from dataclasses import dataclass, field

from . import actors, patience, requests
from .requests import Target


@dataclass
class Held:
    """What became of one connection."""

    target: Target
    answers: int = 0
    pods: set[str] = field(default_factory=set)
    gap: float = 0  # seconds, the longest between two answers
    error: str = ""


def hold(stop, targets: list[Target], first_source_port: int, beat: float = 0.1) -> list[Held]:
    """For Background, in the client's namespace: one connection to each target, each from the next source port."""
    with contextlib.ExitStack() as sockets:
        held = []
        for port, target in enumerate(targets, first_source_port):
            connection = requests.connect(target, (actors.CLIENT.of(target.family), port), 3 * patience.FACTOR)
            held.append((sockets.enter_context(connection), Held(target)))
        last = time.monotonic()
        while not stop.is_set():
            for connection, one in held:
                if not one.error:
                    _ask(connection, one)
            now = time.monotonic()
            for _, one in held:
                one.gap = max(one.gap, now - last)
            last = now
            time.sleep(beat)
        return [one for _, one in held]


def _ask(connection: socket.socket, one: Held) -> None:
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n")
        response = b""
        while b"}\n" not in response:
            block = connection.recv(4096)
            if not block:
                raise ConnectionError("closed by the pod")
            response += block
        one.pods.add(requests.parse(response, 0).pod)
        one.answers += 1
    except (OSError, ValueError) as error:
        one.error = f"{type(error).__name__} {error}"
