# SPDX-License-Identifier: Apache-2.0
"""Long connections: a numbered line (TCP) or datagram (UDP) at a fixed beat, and who answered which when."""

import contextlib
import selectors
import socket
import time
from dataclasses import dataclass, field

from . import actors, requests
from .requests import Target


@dataclass
class Conversation:
    """What became of one. `gap` is the longest time between two answers."""

    target: Target
    pods: set[str] = field(default_factory=set)
    sent: int = 0
    answered: int = 0
    expected: int = 0  # the next number
    out_of_order: int = 0
    gap: float = 0
    gap_ended: float = 0  # time.monotonic()
    error: str = ""
    last: float = field(default_factory=time.monotonic)
    rest: bytes = b""

    def hear(self, line: bytes) -> None:
        pod, number = line.split()[0], line.split()[-1]
        now = time.monotonic()
        if now - self.last > self.gap:
            self.gap, self.gap_ended = now - self.last, now
        self.last = now
        if int(number) != self.expected:
            self.out_of_order += 1
        self.expected = int(number) + 1
        self.pods.add(pod.decode())
        self.answered += 1


def lines(stop, targets: list[Target], first_source_port: int, beat: float = 0.05) -> list[Conversation]:
    """For Background, in the client's namespace: one TCP connection to each target, each from the next source port
    (as in openloop.run())."""
    return _talk(stop, targets, first_source_port, beat, requests.connect, _hear_lines)


def datagrams(stop, targets: list[Target], first_source_port: int, beat: float = 0.01) -> list[Conversation]:
    """The same by UDP. A hole counts as out of order once, however many datagrams were lost; `sent` and `answered`
    say how many."""
    return _talk(stop, targets, first_source_port, beat, requests.udp_socket, _hear_datagrams)


def _hear_lines(connection: socket.socket, conversation: Conversation) -> None:
    block = connection.recv(65536)
    if not block:
        raise ConnectionError("closed by the pod")
    *whole, conversation.rest = (conversation.rest + block).split(b"\n")
    for line in whole:
        conversation.hear(line)


def _hear_datagrams(connection: socket.socket, conversation: Conversation) -> None:
    conversation.hear(connection.recv(2048))


def _talk(stop, targets: list[Target], first_source_port: int, beat: float, connect, hear) -> list[Conversation]:
    """One beat for all: every conversation says its next number, then answers are read until the next beat.
    After `stop` the last answers get a second to arrive."""
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as sockets:
        conversations = []
        for source_port, target in enumerate(targets, first_source_port):
            source = (actors.CLIENT.of(target.family), source_port)
            connection = sockets.enter_context(connect(target, source))
            connection.setblocking(False)
            conversation = Conversation(target)
            conversations.append(conversation)
            selector.register(connection, selectors.EVENT_READ, conversation)
        due = time.monotonic()
        ending = None
        while ending is None or (time.monotonic() < ending and any(_waits(c) for c in conversations)):
            if ending is None and stop.is_set():
                ending = time.monotonic() + 1
            if ending is None and time.monotonic() >= due:
                due += beat
                for key in list(selector.get_map().values()):
                    _guarded(selector, key, _say)
            for key, _ in selector.select(max(0.0, min(due - time.monotonic(), beat)) if ending is None else 0.05):
                _guarded(selector, key, hear)
        return conversations


def _waits(conversation: Conversation) -> bool:
    return conversation.answered < conversation.sent and not conversation.error


def _say(connection: socket.socket, conversation: Conversation) -> None:
    try:
        connection.send(f"{conversation.sent}\n".encode())
    except BlockingIOError:
        raise OSError("the send buffer is full: nothing is acknowledged any more") from None
    conversation.sent += 1


def _guarded(selector: selectors.BaseSelector, key: selectors.SelectorKey, action) -> None:
    """An error ends this conversation, not the others."""
    try:
        action(key.fileobj, key.data)
    except BlockingIOError:
        pass  # readable, then not: the kernel dropped a datagram with a bad checksum
    except OSError as error:
        key.data.error = str(error)
        selector.unregister(key.fileobj)
